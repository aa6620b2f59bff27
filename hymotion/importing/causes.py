"""Likely causes of tensor mismatches, worded to help the user find the right file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from hymotion.errors import brief

PUBLISHED = "Fetch the published latest.ckpt or its safetensors copy"
PREFIXES = ("module.", "_orig_mod.", "ema.", "ema_model.", "model.", "net.", "state_dict.")
"""Prefixes that training programs add to tensor names."""

TRAINING = {"optimizer", "optimizer_state_dict", "optimizers", "optimizer_states", "scheduler",
            "lr_schedulers", "state_dict", "ema", "ema_state_dict", "model", "net", "scaler",
            "callbacks"}  # fmt: skip
"""Keys in checkpoints of other training programs."""

FOREIGN = {
    "model.layers.": "a language model such as Qwen3",
    "text_model.": "CLIP",
    "vision_model.": "CLIP",
    "lm_head.": "a language model such as Qwen3",
}
"""Tensor name prefixes of other models."""


@dataclass(frozen=True)
class Cause:
    """The likely reason why a file is the wrong one, and the mend."""

    why: str
    mend: str


def cause_of(
    found: Mapping[str, object],
    expected: Mapping[str, Tensor],
    *,
    mode: str,
    others: Mapping[str, Mapping[str, Tensor]],
) -> Cause | None:
    """The likely cause of a mismatch, or None if unknown.

    Args:
        found: the file's contents by tensor name.
        expected: the network's tensors.
        mode: the mode the file was given as.
        others: the tensors of the other modes.
    """
    for other, tensors in others.items():
        if _shapes(found) == _shapes(tensors):
            given = f"these are the tensors of {other.title()}, given as {mode.title()}"
            return Cause(given, f"Give this folder with --{other}, and {mode.title()}'s own here")
    if prefix := _prefix(found, expected):
        why = f"it is a training checkpoint: every name begins with {prefix!r}"
        return Cause(why, PUBLISHED)
    if _shapes(found) == _shapes(expected):
        return _types(found, expected)
    return _strangers(list(found), expected)


def cause_of_keys(keys: Sequence[str]) -> Cause:
    """The likely cause when a checkpoint lacks the published key."""
    shown = ", ".join(map(brief, keys[:6])) + (", …" if len(keys) > 6 else "")
    if TRAINING & set(keys):
        return Cause(f"it is a training checkpoint with other keys ({shown})", PUBLISHED)
    return Cause(f"it holds no tensors but {shown or 'nothing'}", PUBLISHED)


def _shapes(tensors: Mapping[str, object]) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape) for name, tensor in tensors.items() if isinstance(tensor, Tensor)
    }


def _prefix(found: Mapping[str, object], expected: Mapping[str, Tensor]) -> str | None:
    for prefix in PREFIXES:
        if found and all(name.startswith(prefix) for name in found):
            bare = {name.removeprefix(prefix) for name in found}
            if bare & expected.keys():
                return prefix
    return None


def _types(found: Mapping[str, object], expected: Mapping[str, Tensor]) -> Cause | None:
    types = {
        str(tensor.dtype).removeprefix("torch.")
        for name, tensor in found.items()
        if isinstance(tensor, Tensor) and tensor.dtype != expected[name].dtype
    }
    if not types:
        return None
    why = f"its numbers are {', '.join(sorted(types))}: a smaller copy of the published file"
    return Cause(why, f"{PUBLISHED}, in float32; workers convert it as they load it")


def _strangers(names: Sequence[str], expected: Mapping[str, Tensor]) -> Cause | None:
    if set(names) & expected.keys():
        return None
    for start, what in FOREIGN.items():
        if any(name.startswith(start) for name in names):
            return Cause(f"these are the tensors of {what}", PUBLISHED)
    return Cause("none of its tensors is the network's: it is another model's file", PUBLISHED)
