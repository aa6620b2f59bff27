"""Every trial gets its own motion, whatever the packs and whichever of them fail."""

from hymotion.body.motion import Motion
from hymotion.evaluation.plan import Trial
from hymotion.evaluation.sampling import sample_all
from hymotion.sampling.request import Request
from tests.unit.hymotion.evaluation.oracle import Model
from tests.unit.hymotion.metrics.bodies import standing

TRIALS = [Trial(("walk",), "a figure walks", 40 + 7 * (seed % 5), seed) for seed in range(13)]


def stamped(request: Request) -> Motion:
    """A motion whose place says of which seed it is."""
    return standing(request.frames, velocity=(request.seed, 0, 0))


def seed_of(motion: Motion | None) -> int | None:
    return None if motion is None else round(float(motion.trans[-1, 0]) * 30 / (motion.frames - 1))


def made(model: Model) -> list[Motion | None]:
    return sample_all(
        model,  # type: ignore[arg-type]
        TRIALS,
        steps=2,
        guidance=1,
        pack=4,
    )


def test_motions_come_in_the_order_of_the_trials() -> None:
    found = made(Model(stamped))
    assert [seed_of(motion) for motion in found] == list(range(13))
    assert [motion.frames for motion in found if motion] == [one.frames for one in TRIALS]


def test_bad_ones_are_left_out_of_their_pack_and_no_other_moves() -> None:
    model = Model(stamped, lambda request: request.seed in {0, 3, 4, 9})
    wanted = [None if seed in {0, 3, 4, 9} else seed for seed in range(13)]
    assert [seed_of(motion) for motion in made(model)] == wanted


def test_a_model_of_which_nothing_is_finite_makes_nothing() -> None:
    assert made(Model(stamped, lambda request: True)) == [None] * 13
