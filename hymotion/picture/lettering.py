"""Text in pictures, in any script for which a font can be found.

Pillow's built-in font has the Latin letters. For other characters the caller's font is tried
first, then common system fonts by name. A letter that no font has loses its accents; any other
character is drawn as an empty box and recorded in `missing`, so that the caller can report it.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from hymotion.picture.colours import Colour

FALLBACKS = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf",
    "SourceHanSansSC-Regular.otf", "SourceHanSans-Regular.ttc", "wqy-microhei.ttc",
    "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "ipaexg.ttf",
    "PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "AppleSDGothicNeo.ttc",
    "Arial Unicode.ttf", "msyh.ttc", "simsun.ttc", "meiryo.ttc", "malgun.ttf", "NanumGothic.ttf",
    "NotoSans-Regular.ttf", "DejaVuSans.ttf", "segoeui.ttf", "arial.ttf",
)  # fmt: skip
"""Font files with Chinese, Japanese and Korean, then with Greek, Cyrillic, Arabic and more."""

UNKNOWN = "\U0010fffe"
"""A character that no font has: a font draws the same glyph for every missing character."""

ELLIPSIS = "..."

PLAINER = {"–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "ß": "ss"}
"""Replacement for a character that no font has, even without accents."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Lettering:
    """Writes text into pictures.

    Args:
        font: font file to try first for characters that the built-in font lacks.
        fallbacks: fonts to try next: files, or names of files among the system's fonts.

    Attributes:
        missing: characters drawn so far that no font has.

    Raises:
        OSError: `font` cannot be read as a font.
    """

    def __init__(self, font: Path | None = None, fallbacks: Sequence[str] = FALLBACKS) -> None:
        self.missing: set[str] = set()
        self._names = iter(fallbacks if font is None else (str(font), *fallbacks))
        self._found: list[str] = []
        self._fonts: dict[tuple[str | None, int], Font] = {}
        self._covers: dict[tuple[str | None, str], bool] = {}
        if font is not None:
            ImageFont.truetype(str(font), 16)

    def width(self, text: str, size: int) -> float:
        """Width of a line of text, pixels."""
        return sum(font.getlength(run) for run, font in self._runs(text, size))

    def write(
        self,
        image: Image.Image,
        place: tuple[float, float],
        text: str,
        *,
        size: int,
        fill: Colour,
        room: float | None = None,
    ) -> float:
        """Write one line, cut with an ellipsis to `room` pixels; returns its width.

        Args:
            place: left end of the baseline.
            size: of the letters, pixels.
        """
        line = plain(text)
        if room is not None and self.width(line, size) > room:
            while line and self.width(line.rstrip() + ELLIPSIS, size) > room:
                line = line[:-1]
            line = line.rstrip() + ELLIPSIS
        draw = ImageDraw.Draw(image)
        x, y = place
        for run, font in self._runs(line, size):
            draw.text((x, y), run, font=font, fill=fill, anchor="ls")
            x += font.getlength(run)
        return x - place[0]

    def broken(self, text: str, size: int, room: float) -> tuple[str, str]:
        """Split the text after what fits into `room` pixels, at a space if there is one."""
        end = next(
            (end for end in range(len(text), 0, -1) if self.width(text[:end], size) <= room), 1
        )
        space = text.rfind(" ", 0, end + 1)
        end = space if space > 0 and end < len(text) else end
        return text[:end], text[end:].strip()

    def _runs(self, text: str, size: int) -> Iterator[tuple[str, Font]]:
        """The text in runs that each use one font."""
        run, name = "", None
        for character in text:
            wanted, shown = self._font_for(character)
            if run and wanted != name:
                yield run, self._font(name, size)
                run = ""
            run, name = run + shown, wanted
        if run:
            yield run, self._font(name, size)

    def _font_for(self, character: str) -> tuple[str | None, str]:
        """The font's name (None: the built-in font) and the text to draw with it."""
        if character.isspace() or self._covered(None, character):
            return None, character
        for name in self._found:
            if self._covered(name, character):
                return name, character
        for name in self._names:
            try:
                ImageFont.truetype(name, 16)
            except OSError:
                continue
            self._found.append(name)
            if self._covered(name, character):
                return name, character
        plainer = PLAINER.get(character, unicodedata.normalize("NFKD", character)[0])
        if all(self._covered(None, each) for each in plainer):
            return None, plainer
        self.missing.add(character)
        return None, UNKNOWN

    def _covered(self, name: str | None, character: str) -> bool:
        key = (name, character)
        if key not in self._covers:
            font = self._font(name, 16)
            self._covers[key] = bytes(font.getmask(character)) != bytes(font.getmask(UNKNOWN))
        return self._covers[key]

    def _font(self, name: str | None, size: int) -> Font:
        key = (name, size)
        if key not in self._fonts:
            self._fonts[key] = (
                ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)
            )
        return self._fonts[key]


def plain(text: str) -> str:
    """The text on one line, without control and format characters."""
    spaced = " ".join(text.split())
    return "".join(each for each in spaced if unicodedata.category(each)[0] != "C")
