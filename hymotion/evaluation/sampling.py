"""Asking a model for many motions, a pack at a time."""

from collections.abc import Callable, Sequence

from hymotion.body.motion import Motion
from hymotion.errors import NumericsError
from hymotion.evaluation.plan import Trial
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request

OnPack = Callable[[int, int], None]
"""Called with (motions made, motions wanted) after each pack."""


def sample_all(
    pipeline: Pipeline,
    trials: Sequence[Trial],
    *,
    steps: int | None,
    guidance: float | None,
    pack: int,
    on_pack: OnPack | None = None,
) -> list[Motion | None]:
    """The motion of each trial, in their order; None where its numbers were not finite.

    Motions of like length share a pack, as a pack computes the frames of its longest.

    Raises:
        RequestError: the model cannot make so many frames, or steps or guidance are unusable.
    """
    order = sorted(range(len(trials)), key=lambda index: trials[index].frames, reverse=True)
    made: dict[int, Motion | None] = {}
    for start in range(0, len(order), pack):
        chosen = order[start : start + pack]
        requests = [
            Request(
                frames=trials[index].frames,
                seed=trials[index].seed,
                prompt=trials[index].prompt,
                steps=steps,
                guidance=guidance,
            )
            for index in chosen
        ]
        made |= zip(chosen, _sample(pipeline, requests), strict=True)
        if on_pack is not None:
            on_pack(len(made), len(trials))
    return [made[index] for index in range(len(trials))]


def _sample(pipeline: Pipeline, requests: Sequence[Request]) -> list[Motion | None]:
    """The motions of a pack; those that are not finite do not count against the others."""
    if not requests:
        return []
    try:
        return list(pipeline.sample(requests))
    except NumericsError as error:
        bad = set(error.indices)
    good = [request for index, request in enumerate(requests) if index not in bad]
    # A pack that says of none which it was would fail for ever.
    made = iter(_sample(pipeline, good) if bad else [None] * len(requests))
    return [None if index in bad else next(made) for index in range(len(requests))]
