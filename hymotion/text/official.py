"""The text encoder that the published models were trained with: Qwen3-8B and CLIP ViT-L/14.

The user provides its files; nothing is downloaded. `transformers` is an extra of this package.
"""

import gc
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextConditioning
from hymotion.device import find_device, find_dtype
from hymotion.text.batches import MAX_TOKENS, batches
from hymotion.text.errors import EncoderLibraryError, EncodingError
from hymotion.text.folder import TextFolder
from hymotion.text.quantisation import Quantiser, stored_bytes

if TYPE_CHECKING:
    from hymotion.text.clip import ClipEncoder
    from hymotion.text.qwen import QwenEncoder

PUBLISHED_DTYPE = "bfloat16"

OnBatch = Callable[[int, int], None]
"""Called with (prompts done, total prompts) after each batch; an exception ends the encoding."""


class OfficialEncoder:
    """The loaded encoder on one device.

    Attributes:
        revision: of its files, such as "te-0123456789ab"; with a suffix such as "+int8" or
            "+float32" if the language model's weights are not in their published type, because
            its features then differ.
    """

    def __init__(
        self, *, qwen: "QwenEncoder", clip: "ClipEncoder", revision: str, device: torch.device
    ) -> None:
        self.revision = revision
        self.device = device
        self._qwen: QwenEncoder | None = qwen
        self._clip: ClipEncoder | None = clip
        self._tokens = MAX_TOKENS

    @classmethod
    def load(
        cls,
        folder: Path | str,
        *,
        device: str | torch.device,
        dtype: str = PUBLISHED_DTYPE,
        quantise: str | None = None,
    ) -> "OfficialEncoder":
        """Load an installed text encoder.

        Args:
            folder: created by `hymo models import`; see `TextFolder`.
            device: "cpu", "cuda" or "cuda:<number>".
            dtype: of the language model; CLIP is always float32.
            quantise: "int8" or "int4" to reduce the language model's memory.

        Raises:
            EncoderLibraryError: `transformers` or the quantisation library is missing.
            EncoderFileError: files are missing or invalid.
            DeviceError: the device or the type is unknown or absent.
        """
        where, kind = find_device(device), find_dtype(dtype)
        quantiser = None if quantise is None else Quantiser.of(quantise, dtype=kind, device=where)
        files = TextFolder.read(Path(folder))
        _check_library()
        from hymotion.text.clip import ClipEncoder
        from hymotion.text.qwen import QwenEncoder

        qwen = QwenEncoder.load(
            files.qwen, message=files.message, device=where, dtype=kind, quantiser=quantiser
        )
        suffix = "" if dtype == PUBLISHED_DTYPE else f"+{dtype}"
        return cls(
            qwen=qwen,
            clip=ClipEncoder.load(files.clip, device=where),
            revision=f"{files.revision}{suffix}{f'+{quantise}' if quantise else ''}",
            device=where,
        )

    @property
    def widths(self) -> tuple[int, int]:
        """(Dv, Dc): sizes of the pooled vector and of a token's features."""
        return self._parts()[1].width, self._parts()[0].width

    @property
    def weight_bytes(self) -> int:
        """Size of the weights on the device, in bytes; 0 once closed."""
        models: list[nn.Module] = [part.model for part in (self._qwen, self._clip) if part]
        return sum(stored_bytes(weight) for model in models for weight in model.parameters())

    def close(self, *, give_back: bool = True) -> None:
        """Free the weights; the encoder cannot be used afterwards.

        Args:
            give_back: return the memory to the driver, for other processes; otherwise this
                process keeps it for reuse.
        """
        self._qwen = self._clip = None
        gc.collect()
        if give_back and self.device.type == "cuda":
            torch.cuda.empty_cache()

    def encode(
        self, prompts: Sequence[str], *, on_batch: OnBatch | None = None
    ) -> list[TextConditioning]:
        """Encode prompts, equal ones only once.

        Args:
            prompts: any texts, also empty ones.
            on_batch: called after each batch.

        Returns:
            One conditioning per prompt, in order, on the CPU: vtxt in float32; ctxt, the valid
            tokens only, in the language model's type.

        Raises:
            RequestError: a prompt is not valid text.
            EncodingError: the encoder is closed, or the features are not finite.
            torch.OutOfMemoryError: a single prompt does not fit the device's free memory.
        """
        qwen, _ = self._parts()
        distinct = [*dict.fromkeys(prompts)]
        chats = {prompt: qwen.template.tokens(prompt) for prompt in distinct}
        made: dict[str, TextConditioning] = {}
        # Once a batch does not fit, the rest is split again into smaller batches.
        while left := [prompt for prompt in distinct if prompt not in made]:
            lengths = [len(chats[prompt]) - qwen.prefix_tokens for prompt in left]
            for rows in batches(lengths, prefix=qwen.prefix_tokens, tokens=self._tokens):
                batch = [left[row] for row in rows]
                if not self._fits(batch, chats, made):
                    break
                if on_batch is not None:
                    on_batch(len(made), len(distinct))
        return [made[prompt] for prompt in prompts]

    def _fits(
        self, batch: list[str], chats: dict[str, list[int]], made: dict[str, TextConditioning]
    ) -> bool:
        """Encode a batch into `made`; if memory runs out, halve the batch size and return false."""
        try:
            made.update(zip(batch, self._batch(batch, chats), strict=True))
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            longest = max(len(chats[prompt]) for prompt in batch)
            self._tokens = len(batch) // 2 * longest
        else:
            return True
        # Only here are the error and the tensors that its frames refer to released.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return False

    def _batch(self, batch: list[str], chats: dict[str, list[int]]) -> list[TextConditioning]:
        qwen, clip = self._parts()
        states = qwen.states([chats[prompt] for prompt in batch])
        pooled = clip.pooled(batch)
        broken = [
            prompt
            for prompt, rows, vector in zip(batch, states, pooled, strict=True)
            if not _finite(rows, vector)
        ]
        if broken:
            raise EncodingError(
                f"the features of {len(broken)} prompts are not finite",
                mend="Encode in bfloat16 or float32, or check the files: hymo models verify",
                prompts=broken,
            )
        return [
            TextConditioning(vtxt=vector[None].clone(), ctxt=rows, length=len(rows))
            for rows, vector in zip(states, pooled, strict=True)
        ]

    def _parts(self) -> "tuple[QwenEncoder, ClipEncoder]":
        if self._qwen is None or self._clip is None:
            raise EncodingError("the encoder is closed", mend="Load it again", prompts=())
        return self._qwen, self._clip


def _finite(rows: Tensor, vector: Tensor) -> bool:
    return bool(rows.isfinite().all() and vector.isfinite().all())


def _check_library() -> None:
    if find_spec("transformers") is None:
        raise EncoderLibraryError(
            "the published models' text encoder needs the library transformers",
            mend="Install it: pip install 'hymo[official]'",
            library="transformers",
        )
