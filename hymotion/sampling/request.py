"""What somebody wants: one motion."""

import math
from dataclasses import dataclass

from hymotion.conditioning import TextConditioning
from hymotion.config import MIN_FRAMES
from hymotion.errors import RequestError

MAX_SEED = 2**63 - 1
MAX_STEPS = 1000
MAX_GUIDANCE = 100.0


@dataclass(frozen=True)
class Request:
    """One motion to sample.

    Attributes:
        frames: wanted length at 30 fps, from 20 up to the model's training length.
        seed: of the noise, 0 to 2⁶³ − 1; the same seed gives the same motion.
        prompt: what the motion shows; any text, also an empty one. Or else
        conditioning: the prompt, already encoded. Exactly one of the two.
        steps: of the solver, 1 to 1000, or None for the model's own; all requests of one pack
            have the same.
        guidance: how strongly the prompt is followed, or None for the model's own; 1 or less is
            the plain conditional model, which costs half.

    Raises:
        RequestError: a field is out of its range; carries the field and the value.
    """

    frames: int
    seed: int
    prompt: str | None = None
    conditioning: TextConditioning | None = None
    steps: int | None = None
    guidance: float | None = None

    def __post_init__(self) -> None:
        _check_whole("frames", self.frames, low=MIN_FRAMES, high=None)
        _check_whole("seed", self.seed, low=0, high=MAX_SEED)
        if self.steps is not None:
            _check_whole("steps", self.steps, low=1, high=MAX_STEPS)
        if (self.prompt is None) == (self.conditioning is None):
            raise RequestError(
                "a request has exactly one of prompt and conditioning",
                mend="Give the prompt, or what encode() returned for it, but not both",
                field="prompt",
                value=self.prompt,
            )
        if not isinstance(self.prompt, str | None):
            raise RequestError(
                f"prompt is {type(self.prompt).__name__}, not text",
                mend='Give one prompt as a str, "" for none; a pack is a list of requests',
                field="prompt",
                value=self.prompt,
            )
        if self.guidance is None:
            return
        number = isinstance(self.guidance, int | float) and not isinstance(self.guidance, bool)
        if not (number and math.isfinite(self.guidance) and 0 <= self.guidance <= MAX_GUIDANCE):
            raise RequestError(
                f"guidance is {self.guidance!r}",
                mend=f"Choose a number from 0 to {MAX_GUIDANCE:g}; 5 is usual",
                field="guidance",
                value=self.guidance,
            )


def _check_whole(field: str, value: object, *, low: int, high: int | None) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole and value >= low and (high is None or value <= high):  # type: ignore[operator]  # an int
        return
    raise RequestError(
        f"{field} is {value!r}",
        mend=f"Choose a whole number from {low}" + (f" to {high}" if high is not None else " up"),
        field=field,
        value=value,
    )
