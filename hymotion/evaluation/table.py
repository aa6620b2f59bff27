"""An evaluation as text of 80 columns."""

from collections.abc import Iterator

from hymotion.evaluation.existing import MotionScore, SetReport
from hymotion.evaluation.report import Report, Share
from hymotion.metrics.frechet import Distance
from hymotion.metrics.level import Distribution, Level

UNITS = {"skate": "mm/frame", "penetration": "mm", "jitter": "m/s³"}
TAKEN = 28
"""Columns for what an action was taken for."""

WIDTH = 80
NAME = 31
"""Columns for a motion's name, of which the end tells more."""


def lines(report: Report) -> Iterator[str]:
    """The report line by line: the whole, quality, each action, each pair."""
    yield from _head(report)
    yield ""
    yield from _quality(report.quality, report.real.quality)
    if report.actions:
        yield ""
        yield from _actions(report)
    if report.pairs:
        yield ""
        yield from _pairs(report)


def set_lines(report: SetReport) -> Iterator[str]:
    """The measures of a set line by line: the whole, and the motions that stand out."""
    yield f"motions    {len(report.motions)}"
    if report.distance is not None:
        yield f"distance   {_distance(report.distance)} from {report.distance.clips[0]} real clips"
        yield f"           {_scale(report.real.real_distance, report.real.noise_distance)}"
    yield ""
    yield from _quality(report.quality, report.real.quality)
    paired = [one.paired for one in report.motions if one.paired is not None]
    if paired:
        yield ""
        mean = sum(one.joints_mean for one in paired) / len(paired)
        most = max(one.joints_max for one in paired)
        noun = "motion" if len(paired) == 1 else "motions"
        yield f"paired     {len(paired)} {noun}: joints {mean:.3f} mm apart, at most {most:.3f} mm"
    if report.unpaired:
        yield f"unpaired   {len(report.unpaired)}, the first is {report.unpaired[0]}"
    outliers = [one for one in report.motions if one.stands_out]
    if outliers:
        yield ""
        yield from _outliers(outliers)


def _outliers(outliers: list[MotionScore]) -> Iterator[str]:
    yield f"{'stands out':<32}{'skate':>9}{'pen.':>9}{'jitter':>9}  by"
    for one in outliers:
        quality = one.quality
        figures = "".join(map(_number, (quality.skate, quality.penetration, quality.jitter)))
        cut = one.name if len(one.name) <= NAME else "…" + one.name[1 - NAME :]
        yield f"{cut:<32}{figures}  {', '.join(one.stands_out)}"[:WIDTH]


def _head(report: Report) -> Iterator[str]:
    trained = "" if report.trained else ", untrained"
    yield f"model      {report.model} {report.mode} ({report.revision}{trained})"
    seeds = f"{report.seeds} seed" + ("" if report.seeds == 1 else "s")
    yield (
        f"sampled    {report.steps} steps, guidance {report.guidance:g}, {seeds}, "
        f"{report.seconds:.0f} s, {report.failed} not finite"
    )
    real = report.real
    yield f"top-1      {_share(report.top1)}"
    yield f"           real held-out clips {real.held:.1%}, noise {real.noise:.1%}"
    yield f"sequences  {_share(report.sequences)}, both parts in order"
    yield f"           spliced of real clips {real.pairs:.1%}"
    if report.distance is not None:
        yield f"distance   {_distance(report.distance)} from {report.distance.clips[0]} real clips"
        yield f"           {_scale(real.real_distance, real.noise_distance)}"


def _scale(real: Distance, noise: Distance) -> str:
    return f"real against real {_distance(real)}, noise {noise.value:.1f}"


def _share(share: Share) -> str:
    low, high = share.interval
    return (
        f"{share.share:.1%} of {share.count} ({low:.1%} to {high:.1%})" if share.count else "none"
    )


def _distance(distance: Distance) -> str:
    return f"{distance.value:.2f} ({distance.low:.2f} to {distance.high:.2f})"


def _quality(level: Level, real: Level) -> Iterator[str]:
    yield f"{'quality':<24}{'mean':>9}{'p50':>9}{'p95':>9}{'real':>9}{'of real':>10}"
    for figure, unit in UNITS.items():
        spread: Distribution = getattr(level, figure)
        theirs: Distribution = getattr(real, figure)
        ratio = level.ratio(real, figure)
        yield (
            f"{figure + ', ' + unit:<24}{_number(spread.mean)}{_number(spread.p50)}"
            f"{_number(spread.p95)}{_number(theirs.mean)}"
            + (f"{ratio:>9.2f}×" if ratio is not None else f"{'–':>10}")
        )


def _number(value: float | None) -> str:
    if value is None:
        return f"{'–':>9}"
    return f"{value:>9.2f}" if value < 1000 else f"{value:>9.0f}"


def _actions(report: Report) -> Iterator[str]:
    yield f"{'action':<18}{'frames':>7}{'right':>8}{'skate':>9}{'jitter':>9}  taken for"
    for one in report.actions:
        taken = ", ".join(f"{name} {count}" for name, count in one.taken_for.items())
        cut = taken if len(taken) <= TAKEN else taken[: TAKEN - 1] + "…"
        right = f"{one.top1.right}/{one.top1.count}"
        line = f"{one.action:<18}{one.frames:>7}{right:>8}{_number(one.skate)}{_number(one.jitter)}"
        yield f"{line}  {cut}".rstrip()


def _pairs(report: Report) -> Iterator[str]:
    yield f"{'sequence':<40}{'both':>8}{'first':>8}"
    for one in report.pairs:
        both = f"{one.both.right}/{one.both.count}"
        first = f"{one.first_seen}/{one.both.count}"
        yield f"{one.first + ', then ' + one.second:<40}{both:>8}{first:>8}"
