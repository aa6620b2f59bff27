"""Where a worker keeps the text encoder of a model, decided from its memory budget.

An official text encoder is larger than the network that samples. A model that brings its own
encoder (tiny) needs no such decision: its encoder is part of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from jobs.domain.memory import GIB
from jobs.errors import SettingsError

FLAG = "--text-plan"
AUTO = "auto"


class EncoderPlacement(StrEnum):
    """Where the text encoder is.

    `resident`: in device memory, beside the networks. `staged`: in turns with them: every waiting
    text is encoded, then the encoder is unloaded. `remote`: on another worker, because this device
    cannot hold it. `cached`: on another worker, by choice or because it is not installed here. In
    the last two, jobs whose text is not encoded yet wait for a worker that encodes.
    """

    RESIDENT = "resident"
    STAGED = "staged"
    REMOTE = "remote"
    CACHED = "cached"

    @property
    def encodes(self) -> bool:
        """Whether a worker with this placement encodes texts, for itself and for others."""
        return self in {EncoderPlacement.RESIDENT, EncoderPlacement.STAGED}


def choose_placement(
    needs: Mapping[EncoderPlacement, int], budget: int, *, asked: str = AUTO, able: bool = True
) -> EncoderPlacement:
    """The placement asked for, or the one that a budget allows and that loads least often.

    Args:
        needs: bytes of device memory for `RESIDENT` and for `STAGED`; empty: no encoder is
            installed here.
        budget: bytes that the worker may use.
        asked: the value of `--text-plan`.
        able: whether the device computes in the encoder's number type.

    Raises:
        SettingsError: what was asked for does not fit, or needs an encoder that is not installed.
    """
    if asked == AUTO:
        if not needs:
            return EncoderPlacement.CACHED
        for placement in (EncoderPlacement.RESIDENT, EncoderPlacement.STAGED):
            if able and needs[placement] <= budget:
                return placement
        return EncoderPlacement.REMOTE
    placement = EncoderPlacement(asked)
    if not placement.encodes:
        return placement
    if not needs:
        mend = "`hymo models import --qwen DIR --clip DIR --upstream DIR` first, or choose cached"
        raise SettingsError(FLAG, asked, f"no text encoder is installed: {mend}")
    if not able:
        reason = "this card has no bfloat16, which the text encoder is computed in"
        raise SettingsError(FLAG, asked, f"{reason}: choose remote, or leave it out")
    if needs[placement] > budget:
        sizes = f"needs {needs[placement] / GIB:.3g} GiB and the budget is {budget / GIB:.3g}"
        raise SettingsError(FLAG, asked, f"{sizes}: raise --memory, or leave it out")
    return placement
