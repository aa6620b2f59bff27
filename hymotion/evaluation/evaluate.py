"""The standard evaluation: what a model shows when it is asked for every action."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from hymotion.body.motion import Motion
from hymotion.evaluation.plan import Trial, action_trials, own_pairs, pair_trials
from hymotion.evaluation.report import ActionScore, PairScore, Report, Share
from hymotion.evaluation.sampling import OnPack, sample_all
from hymotion.metrics.baseline import Baseline, load_baseline
from hymotion.metrics.classifier import Classifier
from hymotion.metrics.frechet import MIN_CLIPS, Distance, Reference
from hymotion.metrics.judgefile import load_judge
from hymotion.metrics.level import Level
from hymotion.metrics.quality import Quality, measure
from hymotion.metrics.referencefile import load_reference
from hymotion.metrics.sequence import recognise
from hymotion.pipeline import Pipeline
from hymotion.training.phrases.phrases import own_texts


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a model is evaluated.

    Attributes:
        seeds: motions of each action.
        pair_seeds: motions of each sequence of two.
        steps: of the solver, or None for the model's own.
        guidance: how strongly prompts are followed, or None for the model's own.
        pack: motions sampled together.
        actions: only these; all of the judge's if empty.
    """

    seeds: int = 8
    pair_seeds: int = 4
    steps: int | None = None
    guidance: float | None = None
    pack: int = 16
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Measures:
    """What motions are held to: the judge, the reference, and the figures of real clips."""

    judge: Classifier
    reference: Reference
    baseline: Baseline

    @classmethod
    def own(cls) -> "Measures":
        """Those that come with this package."""
        return cls(judge=load_judge(), reference=load_reference(), baseline=load_baseline())


def evaluate(
    pipeline: Pipeline,
    options: Options | None = None,
    *,
    measures: Measures | None = None,
    on_pack: OnPack | None = None,
) -> Report:
    """Ask the model for every action and for sequences of two, and measure what comes.

    Raises:
        MeasureError: an action that the judge was never taught.
        RequestError: options that the model cannot be asked with.
    """
    options, measures = options or Options(), measures or Measures.own()
    measures.judge.check(options.actions)
    plan = _plan(measures.baseline, options, longest=pipeline.train_frames)
    began = time.perf_counter()
    motions = sample_all(
        pipeline,
        plan,
        steps=options.steps,
        guidance=options.guidance,
        pack=options.pack,
        on_pack=on_pack,
    )
    seconds = time.perf_counter() - began
    made = list(zip(plan, motions, strict=True))
    single = [(trial, motion) for trial, motion in made if len(trial.shows) == 1]
    actions, quality = _actions(single, measures.judge)
    pairs = _pairs([(trial, motion) for trial, motion in made if len(trial.shows) == 2], measures)
    return Report(
        model=pipeline.model,
        mode=pipeline.mode,
        revision=pipeline.revision,
        trained=pipeline.trained,
        steps=pipeline.config.steps if options.steps is None else options.steps,
        guidance=pipeline.config.guidance if options.guidance is None else options.guidance,
        seeds=options.seeds,
        reference=measures.reference.revision,
        top1=_sum([one.top1 for one in actions]),
        actions=actions,
        sequences=_sum([one.both for one in pairs]),
        pairs=pairs,
        failed=sum(motion is None for motion in motions),
        quality=quality,
        distance=_distance(measures.reference, [motion for _, motion in single]),
        real=measures.baseline,
        seconds=seconds,
    )


def _plan(baseline: Baseline, options: Options, *, longest: int) -> list[Trial]:
    texts = own_texts()
    frames = {
        action: min(longest, one.frames)
        for action, one in baseline.actions.items()
        if not options.actions or action in options.actions
    }
    pairs = [
        (first, second)
        for first, second in own_pairs()
        if {first.action, second.action} <= set(frames) and first.frames + second.frames <= longest
    ]
    return [
        *action_trials(texts, frames, seeds=options.seeds),
        *pair_trials(texts, pairs, seeds=options.pair_seeds),
    ]


def _actions(
    made: Sequence[tuple[Trial, Motion | None]], judge: Classifier
) -> tuple[tuple[ActionScore, ...], Level]:
    groups: dict[str, list[tuple[Trial, Motion | None]]] = {}
    for trial, motion in made:
        groups.setdefault(trial.shows[0], []).append((trial, motion))
    scores: list[ActionScore] = []
    everything: list[Quality] = []
    for action, group in groups.items():
        finite = [motion for _, motion in group if motion is not None]
        seen = Counter(judge.predict(motion).action for motion in finite)
        qualities = [measure(motion) for motion in finite]
        level = Level.of(qualities)
        everything.extend(qualities)
        scores.append(
            ActionScore(
                action=action,
                frames=group[0][0].frames,
                top1=Share(right=seen.pop(action, 0), count=len(group)),
                taken_for=dict(seen.most_common()),
                skate=level.skate.mean,
                jitter=level.jitter.mean,
            )
        )
    return tuple(scores), Level.of(everything)


def _pairs(
    made: Sequence[tuple[Trial, Motion | None]], measures: Measures
) -> tuple[PairScore, ...]:
    groups: dict[tuple[str, ...], list[tuple[bool, bool]]] = {}
    for trial, motion in made:
        first, second = trial.shows
        found = (False, False)
        if motion is not None:
            seen = recognise(measures.judge, motion, [first], [second])
            found = (seen.first is not None, seen.in_order)
        groups.setdefault(trial.shows, []).append(found)
    return tuple(
        PairScore(
            first=first,
            second=second,
            both=Share(right=sum(both for _, both in group), count=len(group)),
            first_seen=sum(one for one, _ in group),
        )
        for (first, second), group in groups.items()
    )


def _distance(reference: Reference, motions: Sequence[Motion | None]) -> Distance | None:
    finite = [motion for motion in motions if motion is not None]
    return reference.distance(finite) if len(finite) >= MIN_CLIPS else None


def _sum(shares: Sequence[Share]) -> Share:
    return Share(right=sum(one.right for one in shares), count=sum(one.count for one in shares))
