"""Text as the network takes it: one prompt's features, and a pack of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hymotion.errors import RequestError


@dataclass(frozen=True, eq=False)
class TextConditioning:
    """One prompt, encoded.

    Attributes:
        vtxt: (1, Dv) pooled features of the whole prompt.
        ctxt: (T, Dc) features of the tokens, T ≥ length; rows from `length` on are padding.
        length: how many tokens are valid, at least 1.

    Raises:
        RequestError: the shapes or the length do not fit each other, or a number is not finite.
    """

    vtxt: Tensor
    ctxt: Tensor
    length: int

    def __post_init__(self) -> None:
        if self.vtxt.ndim != 2 or self.vtxt.shape[0] != 1:
            raise _unfit("vtxt", f"has shape {tuple(self.vtxt.shape)}, not (1, Dv)")
        if self.ctxt.ndim != 2:
            raise _unfit("ctxt", f"has shape {tuple(self.ctxt.shape)}, not (T, Dc)")
        if not 1 <= self.length <= self.ctxt.shape[0]:
            raise _unfit("length", f"is {self.length}, not from 1 to {self.ctxt.shape[0]}")
        if not (self.vtxt.isfinite().all() and self.ctxt[: self.length].isfinite().all()):
            raise _unfit("features", "hold numbers that are not finite")

    @property
    def widths(self) -> tuple[int, int]:
        """(Dv, Dc)."""
        return self.vtxt.shape[1], self.ctxt.shape[1]


class TextEncoder(Protocol):
    """Encodes prompts, each by itself: the result does not depend on its neighbours."""

    def encode(self, prompts: Sequence[str]) -> list[TextConditioning]: ...


@dataclass(frozen=True, eq=False)
class TextBatch:
    """The text states of B samples: vtxt (B, 1, Dv), ctxt (B, T, Dc), length (B,) integers."""

    vtxt: Tensor
    ctxt: Tensor
    length: Tensor

    @classmethod
    def of(cls, texts: Sequence[TextConditioning], *, tokens: int | None = None) -> "TextBatch":
        """Stack prompts, padded with zeros to `tokens`, by default to the longest valid one."""
        width = tokens if tokens is not None else max(text.length for text in texts)
        ctxt = torch.zeros(len(texts), width, texts[0].ctxt.shape[1])
        for row, text in zip(ctxt, texts, strict=True):
            # Padding rows of the input are dropped here: they may hold anything, even NaN.
            row[: text.length] = text.ctxt[: text.length]
        return cls(
            vtxt=torch.stack([text.vtxt.float() for text in texts]),
            ctxt=ctxt,
            length=torch.tensor([text.length for text in texts]),
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> "TextBatch":
        """The same batch on another device: the tokens in `dtype`, the pooled features float32."""
        return TextBatch(
            vtxt=self.vtxt.to(device, torch.float32),
            ctxt=self.ctxt.to(device, dtype),
            length=self.length.to(device),
        )

    def rows(self, index: Tensor) -> "TextBatch":
        """The samples at `index` (N,)."""
        return TextBatch(self.vtxt[index], self.ctxt[index], self.length[index])

    def joined(self, other: "TextBatch") -> "TextBatch":
        """This batch's samples, then the other's; both must be padded to the same T."""
        return TextBatch(
            torch.cat((self.vtxt, other.vtxt)),
            torch.cat((self.ctxt, other.ctxt)),
            torch.cat((self.length, other.length)),
        )


def _unfit(field: str, problem: str) -> RequestError:
    return RequestError(
        f"the text conditioning's {field} {problem}",
        mend="Give the features as the model's text encoder returns them",
        field=f"conditioning.{field}",
        value=None,
    )
