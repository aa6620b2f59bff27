"""A language model with smaller weights: int8 or int4, by torchao."""

from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from hymotion.device import AMPERE
from hymotion.errors import DeviceError
from hymotion.text.errors import EncoderLibraryError

KINDS = ("int8", "int4")
GROUP = 128
"""Weights that share a scale, int4."""


@dataclass(frozen=True)
class Quantiser:
    """Quantises linear layers' weights; activations stay as they are.

    Attributes:
        kind: "int8" (one scale an output) or "int4" (one scale and zero a group of 128).
    """

    kind: str

    @classmethod
    def of(cls, kind: str, *, dtype: torch.dtype, device: torch.device) -> "Quantiser":
        """A quantiser for weights that are loaded in `dtype` onto a device.

        Raises:
            DeviceError: no such kind, or not with this type and device.
            EncoderLibraryError: torchao is missing.
        """
        if kind not in KINDS:
            mend = f"Use one of {', '.join(KINDS)}, or none"
            raise DeviceError(f"{kind!r} is no quantisation", mend=mend)
        if kind == "int4" and not _takes_int4(device, dtype):
            raise DeviceError(
                f"int4 needs bfloat16 and an NVIDIA card from Ampere on, not {dtype} on {device}",
                mend="Use int8",
            )
        if find_spec("torchao") is None:
            raise EncoderLibraryError(
                "a quantised text encoder needs the library torchao",
                mend="Install it: pip install 'hymo[official,quantised]'",
                library="torchao",
            )
        return cls(kind)

    def shrink(self, layer: nn.Module) -> None:
        """Quantise all linear layers in one, in place."""
        from torchao.quantization import Int4WeightOnlyConfig, Int8WeightOnlyConfig, quantize_

        if self.kind == "int8":
            quantize_(layer, Int8WeightOnlyConfig(set_inductor_config=False))
            return
        # The one layout whose kernel is torch's own; the others need one more library.
        config = Int4WeightOnlyConfig(
            group_size=GROUP, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
        )
        quantize_(layer, config)


def _takes_int4(device: torch.device, dtype: torch.dtype) -> bool:
    if device.type != "cuda" or dtype != torch.bfloat16:
        return False
    return torch.cuda.get_device_capability(device) >= AMPERE


def stored_bytes(tensor: Tensor) -> int:
    """Bytes that a tensor takes, also one that is made of others."""
    flatten = getattr(tensor, "__tensor_flatten__", None)
    if flatten is None:
        return tensor.numel() * tensor.element_size()
    names, _ = flatten()
    return sum(stored_bytes(getattr(tensor, name)) for name in names)
