"""Makes the judge and the reference: `python -m hymotion.evaluation.judge DATA OUT`.

Writes `judge.npz` (the classifier, trained on training clips only), `reference.npz` (statistics
for the Fréchet distance) and `baseline.json` (measures of real clips and noise). With
OUT = hymotion/metrics these are the files that the package ships. They contain no clips. The
same data and seed give the same files on the same machine; it takes some minutes on one core.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hymotion.decoding import Decoder
from hymotion.evaluation.plan import own_pairs
from hymotion.evaluation.real_clips import RealClip, real_clips, still
from hymotion.evaluation.reference import balanced, by_action, spliced_pair, typical_frames
from hymotion.metrics import (
    Accuracy,
    Classifier,
    Distance,
    FitSettings,
    Labelled,
    Quality,
    Reference,
    fit,
    load_classifier,
    measure,
    read_reference,
    recognise,
    save_classifier,
    save_reference,
)
from hymotion.metrics.baseline import ActionBaseline, Baseline
from hymotion.metrics.level import Level
from hymotion.training.dataset.frames import SIZE, canonical, frames_of
from hymotion.training.dataset.holding import Sway, at_rest

UPRIGHT = frozenset({"bend", "drink", "jumping_jacks", "laugh", "punch", "squat", "twist", "wave"})
"""Actions that begin standing; their first frames serve as rest for other clips."""

REST = (15, 60)
"""Frames of rest before and after an action."""

PAIR_SEEDS = 4
"""Number of spliced sequences per pair."""

PART = 50
"""Minimum frames of a clip that is used in a sequence."""


@dataclass(frozen=True, kw_only=True)
class JudgeScore:
    """The judge's results on held-out clips and noise.

    Attributes:
        held: accuracy on held-out clips.
        rested: accuracy on the same clips, twice each, with rest before and after.
        pairs: (recognised in order, total) sequences of two actions, spliced from held-out clips
            if an action has held-out clips of at least 50 frames.
        noise: fraction of noise motions that get the action of the clip they replace.
    """

    held: Accuracy
    rested: Accuracy
    pairs: tuple[int, int]
    noise: Accuracy


def with_rest(clips: Sequence[RealClip], sway: Sway, *, seed: int) -> Iterator[Labelled]:
    """Each clip with rest before and after: its own end poses, or poses of a standing person.

    The clip's own poses sway if they are standing poses and are frozen otherwise. All poses come
    from the given clips, so that a split's poses stay in that split.
    """
    draw = random.Random(seed)  # noqa: S311 — no secrets
    standing = [one.clip for one in clips if one.action in UPRIGHT] or [clips[0].clip]
    for one in clips:
        before, after = (draw.randint(*REST) for _ in range(2))
        if draw.random() < 0.5:
            poses = [still(draw.choice(standing), 0, frames) for frames in (before, after)]
            yield one.between(*poses)
        elif at_rest(one.clip, end=False) and at_rest(one.clip, end=True):
            yield one.standing(before, after, sway, draw.randrange(len(sway.turns)))
        else:
            last = one.clip.frames - 1
            yield one.between(still(one.clip, 0, before), still(one.clip, last, after))


def noise(clips: Sequence[RealClip], *, seed: int) -> Iterator[Labelled]:
    """One motion per clip, of the same length, decoded from noise with the clips' statistics."""
    frames = torch.cat([frames_of(canonical(one.clip)) for one in clips])
    decoder = Decoder(mean=frames.mean(0), std=frames.std(0))
    generator = torch.Generator().manual_seed(seed)
    for one in clips:
        latent: Tensor = torch.randn(one.clip.frames, SIZE, generator=generator)
        [motion] = decoder.decode([latent])
        yield Labelled(motion, one.action, "held")


def teach(clips: Sequence[RealClip], sway: Sway, settings: FitSettings) -> Classifier:
    """Train the judge on training clips, also mirrored, slower and faster, and with rest."""
    taught = [variant for one in clips if one.split == "train" for variant in one.variants()]
    plain = [variant.labelled() for variant in taught]
    return fit([*plain, *with_rest(taught, sway, seed=settings.seed)], settings)


def try_out(judge: Classifier, clips: Sequence[RealClip], sway: Sway, *, seed: int) -> JudgeScore:
    """Test the judge on held-out clips and on noise."""
    held = [one for one in clips if one.split == "held"]
    return JudgeScore(
        held=judge.score(one.labelled() for one in held),
        rested=judge.score(with_rest([*held, *held], sway, seed=seed)),
        pairs=_pairs(judge, clips),
        noise=judge.score(noise(balanced(clips), seed=seed)),
    )


def _pairs(judge: Classifier, clips: Sequence[RealClip]) -> tuple[int, int]:
    groups = by_action(clips)
    unseen = {
        action: [one for one in group if one.split == "held" and one.clip.frames >= PART] or group
        for action, group in groups.items()
    }
    found = [
        recognise(
            judge, spliced_pair(unseen, *pair, number), [pair[0].action], [pair[1].action]
        ).in_order
        for pair in own_pairs()
        if {act.action for act in pair} <= set(unseen)
        for number in range(PAIR_SEEDS)
    ]
    return sum(found), len(found)


def real_distance(clips: Sequence[RealClip]) -> Distance:
    """Distance of held-out clips from training clips of the same actions, both balanced."""
    tested = {one.action for one in clips if one.split == "held"}
    sides = {
        split: balanced([one for one in clips if one.split == split and one.action in tested])
        for split in ("train", "held")
    }
    reference = Reference.of(one.labelled().motion for one in sides["train"])
    return reference.distance(one.labelled().motion for one in sides["held"])


def baseline(clips: Sequence[RealClip], trial: JudgeScore, reference: Reference) -> Baseline:
    """The baseline for the measures of generated motions."""
    chosen = balanced(clips)
    measured: dict[str, list[Quality]] = {}
    for one in chosen:
        measured.setdefault(one.action, []).append(measure(one.labelled().motion))
    actions = {
        action: ActionBaseline(
            frames=typical_frames(group),
            clips=len(group),
            held=trial.held.by_action.get(action, (0, 0)),
            quality=Level.of(measured[action]),
        )
        for action, group in by_action(clips).items()
    }
    return Baseline(
        reference=reference.revision,
        actions=actions,
        quality=Level.of([one for group in measured.values() for one in group]),
        held=trial.held.top1,
        rested=trial.rested.top1,
        pairs=trial.pairs[0] / max(1, trial.pairs[1]),
        noise=trial.noise.top1,
        real_distance=real_distance(clips),
        noise_distance=reference.distance(one.motion for one in noise(chosen, seed=0)),
    )


def make(
    clips: Sequence[RealClip],
    sway: Sway,
    out: Path,
    settings: FitSettings,
    *,
    keep: bool = False,
) -> Iterator[str]:
    """Write the three files and yield the results line by line.

    Args:
        clips: all clips.
        sway: of a standing person.
        out: folder to write to.
        settings: of the judge's training.
        keep: keep the existing judge and make only the other files.

    Raises:
        MeasureError: there are too few clips or actions, or there is no judge to keep.
    """
    if not keep:
        save_classifier(teach(clips, sway, settings), out / "judge.npz")
    trial = try_out(load_classifier(out / "judge.npz"), clips, sway, seed=settings.seed)
    yield from _described(trial)
    chosen = balanced(clips)
    save_reference(Reference.of(one.labelled().motion for one in chosen), out / "reference.npz")
    reference = read_reference(out / "reference.npz")
    yield f"reference {reference.revision}: {len(chosen)} clips"
    figures = baseline(clips, trial, reference)
    figures.write(out / "baseline.json")
    for name, distance in (("real", figures.real_distance), ("noise", figures.noise_distance)):
        yield f"{name}: distance {distance.value:.1f} ({distance.low:.1f} to {distance.high:.1f})"


def _described(trial: JudgeScore) -> Iterator[str]:
    for name, accuracy in (
        ("held-out clips", trial.held),
        ("with rest", trial.rested),
        ("noise", trial.noise),
    ):
        yield f"{name}: top-1 {accuracy.top1:.1%} of {accuracy.count}"
    yield "spliced pairs: {} of {} in order".format(*trial.pairs)
    for action, (right, count) in trial.held.by_action.items():
        yield f"  {action}: {right} of {count}"
    for (wanted, seen), count in trial.held.confused.items():
        yield f"  {wanted} taken for {seen}: {count}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m hymotion.evaluation.judge", description=__doc__
    )
    parser.add_argument("data", type=Path, help="folder with cmu.tar.xz and deepmimic.tar.xz")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", action="store_true", help="do not train the judge again")
    chosen = parser.parse_args(arguments)
    chosen.out.mkdir(parents=True, exist_ok=True)
    clips, sway = real_clips(chosen.data)
    settings = FitSettings(seed=chosen.seed)
    for line in make(clips, sway, chosen.out, settings, keep=chosen.keep):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
