"""Skate, penetration and jitter of bodies whose values are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hymotion.body.skeleton import BODY, Skeleton
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError
from hymotion.metrics import Quality, measure
from hymotion.metrics.contact import foot_contact
from hymotion.metrics.posed import PosedMotions
from hymotion.metrics.surface import Surface, measure_surface
from tests.unit.hymotion.metrics.bodies import acting, noise, posed, shifted, standing

SOLES = {"heel": (0, 1), "ball": (2, 3), "toe": (4, 5)}
"""Indices of the left and right points in BODY.contacts."""


def test_somebody_who_stands_still_is_perfect() -> None:
    quality = measure(standing())
    assert quality.finite
    assert quality.skate == pytest.approx(0, abs=1e-3)
    assert quality.penetration == pytest.approx(0, abs=1e-3)
    # float32 positions of 1 m at 30 fps: 27 000 · 1e-7 · a few.
    assert quality.jitter == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("speed", [0.15, 1.2, 6.0])
def test_gliding_counts_in_full_at_any_speed(speed: float) -> None:
    quality = measure(standing(velocity=(0.6 * speed, 0, 0.8 * speed)))
    assert quality.skate == pytest.approx(speed / 30 * 1000, rel=1e-3)


def test_skate_is_per_thirtieth_of_a_second_at_any_frame_rate() -> None:
    glide = standing(velocity=(0.3, 0, 0))
    assert measure(replace(glide, fps=60)).skate == pytest.approx(20, rel=1e-3)


def test_whoever_never_has_a_foot_on_the_ground_has_no_skate() -> None:
    turns = torch.zeros(40, 22, 3, dtype=torch.float64)
    turns[:, 0, 0] = torch.pi
    upside_down = posed(turns, torch.arange(40)[:, None] * torch.tensor([0.1, 0, 0]), grounded=True)
    quality = measure(upside_down)
    assert quality.skate is None
    assert quality.penetration == pytest.approx(0, abs=1e-3)


def surface(
    heights: dict[str, tuple[float, float]], ways: dict[str, tuple[float, float]]
) -> Surface:
    """Two frames of soles with these heights and ways in metres; everything else is far up."""
    high = torch.full((2, len(BODY.contacts)), 1.0, dtype=torch.float64)
    points = torch.zeros(2, len(BODY.contacts), 3, dtype=torch.float64)
    for name, indices in SOLES.items():
        for side, index in enumerate(indices):
            high[:, index] = heights.get(name, (1.0, 1.0))[side]
            points[1, index, 0] = ways.get(name, (0.0, 0.0))[side]
    ground = torch.zeros(1, dtype=torch.float64)
    return Surface(rows=FrameRows.of([2]), points=points, heights=high, ground=ground)


def test_the_toe_that_swings_past_the_standing_foot_does_not_skate() -> None:
    contact = foot_contact(
        surface(
            {"heel": (0.0, 0.15), "ball": (0.0, 0.05), "toe": (0.0, 0.015)},
            {"heel": (0.001, 0.12), "ball": (0.001, 0.12), "toe": (0.001, 0.12)},
        ),
        BODY,
        fps=30,
    )
    assert contact.touching.tolist() == [[True, False]]
    assert contact.slip[0].tolist() == pytest.approx([0.001, 0.0])


def test_the_only_foot_on_the_ground_skates_even_on_its_toe() -> None:
    contact = foot_contact(surface({"toe": (1.0, 0.01)}, {"toe": (0.0, 0.12)}), BODY, fps=30)
    assert contact.touching.tolist() == [[False, True]]
    assert contact.slip[0, 1] == pytest.approx(0.12)


def test_a_flat_foot_skates_beside_a_standing_one() -> None:
    flat = (0.0, 0.0)
    contact = foot_contact(
        surface(
            {"heel": flat, "ball": flat, "toe": flat},
            {"heel": (0.0, 0.05), "ball": (0.0, 0.05), "toe": (0.0, 0.05)},
        ),
        BODY,
        fps=30,
    )
    assert contact.touching.tolist() == [[True, True]]
    assert contact.slip[0].tolist() == pytest.approx([0.0, 0.05])


def test_a_flat_foot_that_swings_above_the_standing_one_does_not_touch() -> None:
    contact = foot_contact(
        surface(
            {"heel": (0.03, 0.06), "ball": (0.03, 0.06), "toe": (0.03, 0.06)},
            {"heel": (0.0, 0.1), "ball": (0.0, 0.1), "toe": (0.0, 0.1)},
        ),
        BODY,
        fps=30,
    )
    assert contact.touching.tolist() == [[True, False]]


def test_a_foot_that_comes_down_has_not_landed() -> None:
    falling = surface({"heel": (0.02, 1.0)}, {"heel": (0.1, 0.0)})
    falling.points[1, 0, 1] = -0.02
    assert foot_contact(falling, BODY, fps=30).touching.tolist() == [[False, False]]
    assert foot_contact(falling, BODY, fps=10).touching.tolist() == [[True, False]]


def test_a_foot_that_rolls_over_its_toe_does_not_slip() -> None:
    contact = foot_contact(
        surface({"ball": (0.02, 1.0), "toe": (0.0, 1.0)}, {"ball": (0.03, 0.0), "toe": (0.0, 0.0)}),
        BODY,
        fps=30,
    )
    assert contact.touching.tolist() == [[True, False]]
    assert contact.slip[0, 0] == 0


def test_penetration_is_the_mean_depth() -> None:
    sunk = shifted(standing(), torch.tensor([0.0, -0.05, 0.0]))
    assert measure(sunk).penetration == pytest.approx(50, rel=1e-3)


def test_a_motion_lifted_by_one_deep_frame_is_found_out() -> None:
    dent = torch.zeros(40, 3)
    dent[17, 1] = -0.1
    deep = shifted(standing(), dent)
    lifted = shifted(deep, torch.tensor([0.0, 0.1, 0.0]))
    assert measure(deep).penetration == pytest.approx(100 / 40, rel=1e-3)
    assert measure(lifted).penetration == pytest.approx(100 / 40, rel=1e-3)
    assert float(measure_surface(PosedMotions.of([lifted])).ground) == pytest.approx(0.1, abs=1e-6)
    assert measure(lifted).skate == pytest.approx(0, abs=1e-3)


def test_climbing_is_no_penetration() -> None:
    assert measure(standing(velocity=(0, 0.4, 0))).penetration == pytest.approx(
        # The first tenth of the 40 frames is below the ground that the percentile finds.
        sum((3.9 - frame) * 0.4 / 30 for frame in range(4)) / 40 * 1000,
        rel=1e-3,
    )


def test_jitter_is_the_third_derivative() -> None:
    time = torch.arange(40, dtype=torch.float64) / 30
    cubic = torch.stack((3 * time**3, torch.zeros(40), 4 * time**3), dim=1)
    assert measure(shifted(standing(), cubic)).jitter == pytest.approx(6 * 5, rel=2e-3)


def test_jitter_grows_with_the_cube_of_the_frame_rate() -> None:
    motion = acting("march", seed=1)
    slow, fast = (measure(replace(motion, fps=fps)).jitter for fps in (30, 60))
    assert slow is not None
    assert fast == pytest.approx(8 * slow)


def test_noise_is_worse_than_a_march_in_every_respect() -> None:
    good, bad = measure(acting("march", seed=1)), measure(noise(seed=1))
    assert good.jitter is not None
    assert bad.jitter is not None
    assert bad.jitter > 20 * good.jitter
    assert good.penetration is not None
    assert bad.penetration is not None
    assert bad.penetration > good.penetration


@pytest.mark.parametrize("name", ["rot6d", "trans", "joints"])
def test_numbers_that_are_not_finite_are_said_and_nothing_else_is(name: str) -> None:
    motion = standing()
    array = getattr(motion, name).copy()
    array[3, 0] = np.nan
    assert measure(replace(motion, **{name: array})) == Quality(finite=False)


def test_bodies_without_soles_and_clips_without_jerk_are_refused() -> None:
    bare = Skeleton(names=BODY.names, parents=BODY.parents, rest=BODY.rest)
    with pytest.raises(MeasureError, match=r"hymotion\.BODY") as caught:
        measure(replace(standing(), skeleton=bare))
    assert caught.value.field == "skeleton"
    flesh = replace(bare, contacts=BODY.contacts[6:])
    with pytest.raises(MeasureError, match="L_Ankle"):
        measure(replace(standing(), skeleton=flesh))
    with pytest.raises(MeasureError, match="3 frames"):
        measure(posed(torch.zeros(3, 22, 3), torch.zeros(3, 3)))
