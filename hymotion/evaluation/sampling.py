"""Sampling many motions from a model, one pack at a time."""

from collections.abc import Callable, Sequence

from hymotion.body.motion import Motion
from hymotion.errors import NumericsError
from hymotion.evaluation.plan import Trial
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request

OnPack = Callable[[int, int], None]
"""Called with (motions made, total motions) after each pack."""


def sample_all(
    pipeline: Pipeline,
    trials: Sequence[Trial],
    *,
    steps: int | None,
    guidance: float | None,
    pack: int,
    on_pack: OnPack | None = None,
) -> list[Motion | None]:
    """The motion of each trial, in order; None if it was not finite.

    Motions of similar length share a pack, because a pack computes the frames of its longest.

    Raises:
        RequestError: the model does not support so many frames, or these steps or guidance.
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
    """The motions of a pack; if some are not finite, the others are sampled again."""
    if not requests:
        return []
    try:
        return list(pipeline.sample(requests))
    except NumericsError as error:
        bad = set(error.indices)
    good = [request for index, request in enumerate(requests) if index not in bad]
    # If the error names no request, sampling again would fail forever.
    made = iter(_sample(pipeline, good) if bad else [None] * len(requests))
    return [None if index in bad else next(made) for index in range(len(requests))]
