"""Text in pictures: any script for which a font is there, and a word about those without."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hymotion.picture import Lettering
from hymotion.picture.lettering import plain

INK = (0, 0, 0)

# A font of one character, 走, a full square, and one for all others; FreeType reads this old
# format at the size it was drawn in.
SQUARE = (
    """STARTFONT 2.1
FONT -test-square-medium-r-normal--16-160-72-72-c-160-iso10646-1
SIZE 16 72 72
FONTBOUNDINGBOX 16 16 0 0
STARTPROPERTIES 6
DEFAULT_CHAR 0
PIXEL_SIZE 16
FONT_ASCENT 16
FONT_DESCENT 0
CHARSET_REGISTRY "ISO10646"
CHARSET_ENCODING "1"
ENDPROPERTIES
CHARS 2
STARTCHAR none
ENCODING 0
SWIDTH 500 0
DWIDTH 8 0
BBX 8 1 0 0
BITMAP
FF
ENDCHAR
STARTCHAR walk
ENCODING 36208
SWIDTH 1000 0
DWIDTH 16 0
BBX 16 16 0 0
BITMAP
"""
    + "FFFF\n" * 16
    + "ENDCHAR\nENDFONT\n"
)


@pytest.fixture
def square(tmp_path: Path) -> Path:
    path = tmp_path / "square.bdf"
    path.write_text(SQUARE)
    return path


def drawn(lettering: Lettering, text: str, room: float | None = None) -> np.ndarray:
    image = Image.new("RGB", (400, 40), "white")
    lettering.write(image, (10, 30), text, size=16, fill=INK, room=room)
    return 255 - np.asarray(image.convert("L")).astype(int)


def test_latin_needs_no_other_font() -> None:
    lettering = Lettering(fallbacks=())
    ink = drawn(lettering, "Ein Mädchen läuft, café, 3 m/s – ok")
    assert ink[:, 10:].any()
    assert not ink[:, :9].any()
    assert lettering.missing == set()


@pytest.mark.parametrize("as_font", [True, False])
def test_another_script_takes_a_font_that_has_it(square: Path, as_font: bool) -> None:
    lettering = Lettering(square) if as_font else Lettering(fallbacks=("nowhere.ttf", str(square)))
    ink = drawn(lettering, "a 走 b")
    full = (ink == 255).sum(axis=0) >= 16
    assert full.sum() == 16
    assert lettering.missing == set()
    # Letters stand before and behind it.
    columns = np.nonzero(full)[0]
    assert ink[:, : columns[0]].any()
    assert ink[:, columns[-1] + 1 :].any()


def test_what_no_font_has_is_told() -> None:
    lettering = Lettering(fallbacks=("nowhere.ttf",))
    ink = drawn(lettering, "走路 walk")
    assert lettering.missing == {"走", "路"}
    assert ink[:, 10:20].any()


def test_a_font_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "no.ttf"
    path.write_text("no font")
    with pytest.raises(OSError, match="unknown file format"):
        Lettering(path)


def test_a_line_is_cut_to_its_room() -> None:
    lettering = Lettering(fallbacks=())
    ink = drawn(lettering, "a person walks and waves and walks and waves", room=150)
    reach = np.nonzero(ink.any(axis=0))[0]
    assert 120 < reach.max() < 161
    whole = drawn(lettering, "a person", room=150)
    assert np.array_equal(whole, drawn(lettering, "a person"))


def test_breaking_in_two() -> None:
    lettering = Lettering(fallbacks=())
    text = "a person walks forward and waves"
    room = lettering.width("a person walks forw", 16)
    assert lettering.broken(text, 16, room) == ("a person walks", "forward and waves")
    assert lettering.broken("走" * 9, 16, lettering.width("走" * 4, 16)) == ("走" * 4, "走" * 5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\n\tb", "a b"), ("a\x1b[31mb", "a[31mb"), ("a\u202eb", "ab"), ("  a  ", "a")],
)
def test_nothing_but_letters(text: str, shown: str) -> None:
    assert plain(text) == shown
