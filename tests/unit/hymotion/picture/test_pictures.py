"""Film strips, animations and contact sheets: their size, their parts, their bytes."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from hymotion.errors import PictureError
from hymotion.picture import MOST, Caption, Entry, Lettering, draw_sheet, draw_strip, write_gif
from hymotion.picture.animation import REST, moment
from hymotion.picture.caption import HEIGHT, PAD
from hymotion.picture.colours import SKY
from hymotion.picture.sheet import HEAD, TOP
from hymotion.picture.strip import moments
from tests.unit.hymotion.figures import jumping, rolling, walking, waving

WAVE = Caption("a person waves with the left hand", "night/wave_s0")


@pytest.fixture
def lettering() -> Lettering:
    """Without the system's fonts: the same on every machine."""
    return Lettering(fallbacks=())


def gif(motion: object, lettering: Lettering, caption: Caption = WAVE) -> bytes:
    buffer = io.BytesIO()
    write_gif(motion, buffer, caption, lettering)  # type: ignore[arg-type]
    return buffer.getvalue()


def inked(image: Image.Image) -> np.ndarray:
    """Where something dark is on the paper."""
    return np.asarray(image.convert("L")) < 160


@pytest.mark.parametrize(
    ("frames", "count", "expected"),
    [(50, 3, [0, 24, 49]), (3, 8, [0, 1, 2]), (1, 4, [0]), (9, 2, [0, 8])],
)
def test_moments_go_from_the_first_frame_to_the_last(
    frames: int, count: int, expected: list[int]
) -> None:
    assert moments(frames, count) == expected


@pytest.mark.parametrize("make", [walking, waving, jumping, rolling])
def test_a_strip_shows_moments_side_by_side(make: object, lettering: Lettering) -> None:
    motion = make()  # type: ignore[operator]
    strip = draw_strip(motion, Caption("what it is", "x"), lettering, panels=5)
    assert strip.mode == "RGB"
    assert strip.width < 1700
    assert strip.height < 450
    # Five panels: so many runs of sky along the top of the panels.
    sky = (np.asarray(strip)[HEIGHT + 1] == SKY).all(axis=-1).astype(int)
    assert (np.diff(sky, prepend=0) == 1).sum() == 5
    # A title, and a label under each panel; nothing touches the edges of the paper.
    ink = inked(strip)
    assert ink[:32].any()
    assert ink[-22:].any(axis=0).sum() > 100
    assert not ink[:, :PAD].any()
    assert not ink[:, -PAD:].any()
    assert not ink[:4].any()


def test_more_panels_are_more_moments(lettering: Lettering) -> None:
    motion = waving(20)
    assert draw_strip(motion, WAVE, lettering, panels=4).width < (
        draw_strip(motion, WAVE, lettering, panels=8).width
    )
    panels = draw_strip(motion, WAVE, lettering, panels=2)
    half = panels.width // 2
    first, last = np.asarray(panels)[HEIGHT:, PAD:half], np.asarray(panels)[HEIGHT:, half:-PAD]
    assert (first[:200, :120] != last[:200, :120]).any()


def test_an_animation_lasts_as_long_as_the_motion(lettering: Lettering) -> None:
    motion = jumping(45)
    with Image.open(io.BytesIO(gif(motion, lettering))) as image:
        assert image.info["loop"] == 0
        times, pictures = [], []
        for frame in range(image.n_frames):
            image.seek(frame)
            times.append(image.info["duration"])
            pictures.append(np.asarray(image.convert("RGB")).astype(int))
    # 44 steps of 1/30 s, 25 frames a second; the last one stands.
    assert len(times) == 44 * 25 // 30 + 1
    assert set(times[:-1]) == {40}
    assert times[-1] == REST
    # The palette is good enough: the sky is the sky in all of them.
    for picture in pictures:
        assert np.abs(picture[HEIGHT + 4, 20] - SKY).max() <= 6
    assert all((a != b).any() for a, b in pairwise(pictures))


def test_the_same_motion_gives_the_same_bytes(lettering: Lettering) -> None:
    motion = waving(20)
    assert gif(motion, lettering) == gif(motion, Lettering(fallbacks=()))
    assert gif(motion, lettering) != gif(motion, lettering, Caption("another"))


def test_a_long_prompt_is_broken_and_cut_inside_the_picture(lettering: Lettering) -> None:
    caption = Caption("a person walks and waves " * 12, "n" * 200)
    for data in (gif(waving(20), lettering, caption),):
        with Image.open(io.BytesIO(data)) as image:
            ink = inked(image)[:HEIGHT]
    # Two lines of letters, then the facts; a gap between each two.
    rows = np.nonzero(np.diff(ink[:, :200].any(axis=1).astype(int)) == 1)[0]
    assert len(rows) == 3


def test_a_sheet_has_a_cell_for_each_motion(lettering: Lettering) -> None:
    motions = [walking(40), waving(40), jumping(40), rolling(40)]
    entries = [Entry(motion, Caption(f"prompt {n}")) for n, motion in enumerate(motions)]
    one = draw_sheet("batch night", entries[:1], lettering)
    four = draw_sheet("batch night", entries, lettering)
    eight = draw_sheet("batch night", entries * 2, lettering)
    assert four.width == one.width
    assert four.height > 3 * (one.height - 70)
    assert eight.width > 1.9 * four.width
    assert abs(eight.height - four.height) < 250
    many = draw_sheet("batch night", [Entry(waving(2), Caption("x"))] * 25, lettering)
    assert 2.8 * one.width < many.width < 3.2 * one.width
    # Six panels in the first row of cells.
    sky = (np.asarray(one) == SKY).all(axis=-1).astype(int)
    assert (np.diff(sky[TOP + HEAD + 1], prepend=0) == 1).sum() == 6


def test_a_sheet_has_an_end(lettering: Lettering) -> None:
    entry = Entry(waving(20), WAVE)
    with pytest.raises(PictureError, match="several sheets"):
        draw_sheet("much", [entry] * (MOST + 1), lettering)
    with pytest.raises(PictureError):
        draw_sheet("nothing", [], lettering)


def test_an_animation_names_the_frame_that_it_shows() -> None:
    assert moment(0, 30) == "0.00 s  ·  frame 0"
    assert moment(7, 30) == "0.28 s  ·  frame 8"
    # 205 / 25 * 30 is 245.99999999999997.
    assert moment(205, 30) == "8.20 s  ·  frame 246"
