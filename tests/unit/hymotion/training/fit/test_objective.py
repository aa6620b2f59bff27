"""The errors that training makes small."""

import pytest
import torch

from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY
from hymotion.conditioning import TextBatch
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.network.flow import DETAIL
from hymotion.training.dataset.frames import ROTATIONS
from hymotion.training.fit.objective import Statistics, errors, listed, noisy
from hymotion.training.fit.poser import Poser
from tests.unit.hymotion.training.learning import corpus, learner, motions

KNOWN = corpus()


def drawn(batch: int = 3, length: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    motion = KNOWN.frames[: batch * length].reshape(batch, length, 201)
    noise = torch.randn(batch, length, 201, generator=source)
    return motion, noise, torch.tensor([0.1, 0.5, 0.9])


def of(velocity: torch.Tensor, valid: torch.Tensor | None = None, late: float = 2.0):  # type: ignore[no-untyped-def]
    motion, noise, t = drawn()
    everywhere = torch.ones(motion.shape[:2], dtype=torch.bool)
    valid = everywhere if valid is None else valid
    return errors(
        velocity,
        motion=motion,
        noise=noise,
        t=t,
        valid=valid,
        total=valid.sum(),
        statistics=KNOWN.statistics,
        poser=Poser(),
        late=late,
    )


def test_the_right_velocity_has_no_error() -> None:
    motion, noise, _ = drawn()
    found = of(motion - noise)
    assert float(found.flow) == 0
    assert float(found.change) == 0
    assert float(found.joints) < 1e-6


def test_a_velocity_that_is_off_by_one_has_a_flow_error_of_one_until_the_way_is_short() -> None:
    motion, noise, _ = drawn()
    # (1 − t)² of the motion's error over the same: 1, at all three times.
    assert float(of(motion - noise + 1).flow) == pytest.approx(1.0, rel=1e-4)


def test_a_steady_offset_is_no_change_and_a_tremble_is() -> None:
    motion, noise, _ = drawn()
    right = motion - noise
    tremble = torch.tensor([1.0, -1.0]).repeat(10)
    steady = of(right + 0.1)
    trembling = of(right + 0.1 * tremble[:, None])
    assert float(trembling.flow) == pytest.approx(float(steady.flow), rel=1e-4)
    assert float(steady.change) < 1e-6
    assert float(trembling.change) > 1000 * float(steady.change)
    assert float(trembling.joints) > float(steady.joints)


def test_padding_counts_for_nothing() -> None:
    motion, noise, _ = drawn()
    valid = torch.ones(3, 20, dtype=torch.bool)
    valid[:, 12:] = False
    wrong = (motion - noise).clone()
    wrong[:, 12:] += 100
    found = of(wrong, valid)
    assert float(found.flow + found.change + found.joints) < 1e-6


def test_the_state_goes_straight_from_noise_to_motion() -> None:
    motion, noise, _ = drawn()
    assert torch.equal(noisy(motion, noise, torch.zeros(3)), noise)
    assert torch.equal(noisy(motion, noise, torch.ones(3)), motion)


def test_normalised_frames_come_back_and_constants_are_zero() -> None:
    std = torch.full((201,), 2.0)
    std[5] = 1e-5
    known = Statistics(torch.full((201,), 3.0), std, torch.ones(201))
    frames = torch.full((4, 201), 3.0)
    frames[:, 0] = 7.0
    normal = known.normalised(frames)
    assert normal[0, 0] == 2.0
    assert torch.equal(normal[:, 5], torch.zeros(4))
    assert torch.allclose(known.restored(normal), frames)


def test_joints_are_posed_as_the_decoder_poses_them() -> None:
    source = torch.Generator().manual_seed(1)
    frames = torch.randn(2, 7, 201, generator=source)
    turns = matrix_from_rot6d(frames[..., ROTATIONS].reshape(14, 22, 6))
    wanted, _ = forward_kinematics(turns, BODY)
    wanted = wanted.reshape(2, 7, 22, 3) + frames[:, :, None, :3]
    assert torch.allclose(Poser()(frames), wanted, atol=1e-5)


def test_real_frames_list_the_joints_that_they_pose() -> None:
    frames = KNOWN.statistics.restored(KNOWN.frames[None, :30])
    assert torch.allclose(Poser()(frames), listed(frames), atol=1e-5)


@pytest.mark.parametrize("prediction", ["clean", "preconditioned"])
def test_a_network_that_is_right_has_the_right_velocity(prediction: str) -> None:
    motion, noise, t = drawn()
    x, time = noisy(motion, noise, t), t[:, None, None]
    # The best linear guess of a motion with deviation d from x, and what it leaves of the motion.
    guess = time * DETAIL**2 / (time**2 * DETAIL**2 + (1 - time) ** 2)
    spread = ((1 - guess * time) ** 2 + (guess * (1 - time)) ** 2).sqrt()
    told = {"clean": motion, "preconditioned": (motion - guess * x) / spread}
    flow = learner(KNOWN).flow
    flow.prediction = prediction
    flow.motion_transformer.forward = lambda *_: told[prediction]  # type: ignore[method-assign]
    text = TextBatch(torch.zeros(3, 1, 96), torch.zeros(3, 1, 96), torch.ones(3, dtype=torch.long))
    context = flow.prepare(text, torch.full((3,), 20), length=x.shape[1])
    velocity = flow.velocity(x, t, context)
    assert torch.allclose(velocity, motion - noise, atol=1e-4)


def test_late_errors_count_less_when_told_so() -> None:
    motion, noise, _ = drawn()
    even = of(motion - noise + 1, late=0.0)
    # (1 − t)² at t = 0.1, 0.5 and 0.9.
    assert float(even.flow) == pytest.approx((0.81 + 0.25 + 0.01) / 3, rel=1e-3)


def test_a_slip_of_a_foot_counts_four_times_a_tremble_of_a_hand() -> None:
    frames = motions()[0][None]
    plain = Statistics(torch.zeros(201), torch.ones(201), torch.ones(201))
    found: dict[str, float] = {}
    for name, joint, child in (("foot", 7, 10), ("hand", 18, 20)):
        off = torch.zeros_like(frames)
        # A small turn about x every other frame moves the one joint that hangs on this one.
        length = float(BODY.offsets[child].norm())
        off[:, ::2, 3 + 6 * joint + 5] = 1e-3 / length
        still = torch.ones(1, frames.shape[1], dtype=torch.bool)
        error = errors(
            off / 0.5,
            motion=frames,
            noise=frames,
            t=torch.tensor([0.5]),
            valid=still,
            total=still.sum(),
            statistics=plain,
            poser=Poser(),
        )
        moved = Poser()(frames + off) - Poser()(frames)
        share = float(moved[:, :, child].norm(dim=-1).square().mean())
        found[name] = float(error.joints) / share
    assert 2.5 < found["foot"] / found["hand"] < 4.5
