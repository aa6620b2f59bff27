"""Text plans: where a worker keeps the text encoder, decided from its memory budget.

An official text encoder is larger than the network that samples. A model whose encoder came with it
(tiny) has no plan: its encoder is part of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jobs.domain.memory import GIB
from jobs.errors import SettingsError


class EncoderPlacement(StrEnum):
    """Where the text encoder is.

    `resident`: in device memory, beside the samplers. `staged`: in turns with them: everything that
    waits is encoded, then the encoder makes room. `remote`: never here, since the card cannot hold
    it. `cached`: never here, by choice or because it was not imported. In the last two, jobs whose
    text is not encoded yet wait for a worker that can.
    """

    RESIDENT = "resident"
    STAGED = "staged"
    REMOTE = "remote"
    CACHED = "cached"

    @property
    def encodes(self) -> bool:
        """Whether a worker with this plan encodes texts, for itself and for others."""
        return self in {EncoderPlacement.RESIDENT, EncoderPlacement.STAGED}


@dataclass(frozen=True)
class TextNeeds:
    """What the phases of a model need of the device, in bytes.

    Attributes:
        encoder: weights and working memory of the encoder; None: it is not installed here.
        samplers: weights of all the samplers that the worker serves.
        sampler: the most that one sampler needs alone, with a pack of one short motion.
        motion: of it, what is not weights.
    """

    encoder: int | None
    samplers: int
    sampler: int
    motion: int

    @property
    def resident(self) -> int | None:
        """With everything beside each other."""
        return None if self.encoder is None else self.encoder + self.samplers + self.motion

    @property
    def staged(self) -> int | None:
        """In turns."""
        return None if self.encoder is None else max(self.encoder, self.sampler)

    @property
    def together(self) -> int:
        """With every sampler in device memory, and no encoder."""
        return self.samplers + self.motion


def choose_plan(
    needs: TextNeeds, budget: int, *, asked: str | None = None, able: bool = True
) -> EncoderPlacement:
    """The plan that a budget allows, the one that loads least; or the one asked for.

    Args:
        needs: of the model.
        budget: bytes that the worker may use.
        asked: of `--text-plan`; None or `auto`: whatever fits.
        able: whether the device computes in the encoder's own number type.

    Raises:
        SettingsError: what was asked for does not fit, or needs an encoder that is not installed.
    """
    if asked in {None, "auto"}:
        if needs.encoder is None:
            return EncoderPlacement.CACHED
        if not able:
            return EncoderPlacement.REMOTE
        if (needs.resident or 0) <= budget:
            return EncoderPlacement.RESIDENT
        return EncoderPlacement.STAGED if (needs.staged or 0) <= budget else EncoderPlacement.REMOTE
    plan = EncoderPlacement(asked)
    if not plan.encodes:
        return plan
    wanted = needs.resident if plan is EncoderPlacement.RESIDENT else needs.staged
    if wanted is None:
        mend = "`hymo models import --qwen DIR --clip DIR --upstream DIR` first, or choose cached"
        raise SettingsError("--text-plan", asked, f"no text encoder is installed: {mend}")
    if not able:
        reason = "this card has no bfloat16, which the text encoder is computed in"
        raise SettingsError("--text-plan", asked, f"{reason}: choose remote, or leave it out")
    if wanted > budget:
        sizes = f"needs {wanted / GIB:.3g} GiB and the budget is {budget / GIB:.3g}"
        raise SettingsError("--text-plan", asked, f"{sizes}: raise --memory, or leave it out")
    return plan
