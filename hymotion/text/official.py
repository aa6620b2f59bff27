"""The text encoder that the published models were trained with: Qwen3-8B and CLIP ViT-L/14.

Its files are the user's; nothing is ever downloaded. `transformers` is an extra of this package.
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
"""Called with (prompts done, prompts in all) after each batch; what it raises ends the encoding."""


class OfficialEncoder:
    """The loaded encoder on one device.

    Attributes:
        revision: of its files, such as "te-0123456789ab"; with "+int8" or "+float32" where the
            language model's numbers are not kept as published, as its features differ then.
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
            folder: as `hymo models import` makes it: see `TextFolder`.
            device: "cpu", "cuda" or "cuda:<number>".
            dtype: of the language model; CLIP is always float32.
            quantise: "int8" or "int4" for a language model that needs less memory.

        Raises:
            EncoderLibraryError: `transformers`, or the library that quantises, is missing.
            EncoderFileError: files are missing or not what they should be.
            DeviceError: no such device or type.
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
        """(Dv, Dc): numbers of the pooled vector, and of a token."""
        return self._parts()[1].width, self._parts()[0].width

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights on the device; 0 once closed."""
        models: list[nn.Module] = [part.model for part in (self._qwen, self._clip) if part]
        return sum(stored_bytes(weight) for model in models for weight in model.parameters())

    def close(self, *, give_back: bool = True) -> None:
        """Free the device's memory; the encoder is of no use afterwards.

        Args:
            give_back: to the driver, for other processes; else it stays this process's own.
        """
        self._qwen = self._clip = None
        gc.collect()
        if give_back and self.device.type == "cuda":
            torch.cuda.empty_cache()

    def encode(
        self, prompts: Sequence[str], *, on_batch: OnBatch | None = None
    ) -> list[TextConditioning]:
        """Encode prompts; equal ones once.

        Args:
            prompts: any texts, also empty ones.
            on_batch: told of the progress.

        Returns:
            One conditioning a prompt, in their order: vtxt float32, ctxt the valid tokens alone
            in the language model's type; on the CPU.

        Raises:
            RequestError: a prompt is no text.
            EncodingError: the encoder is closed, or the features are not finite.
            torch.OutOfMemoryError: a single prompt does not fit the device's free memory.
        """
        qwen, _ = self._parts()
        distinct = [*dict.fromkeys(prompts)]
        chats = {prompt: qwen.template.tokens(prompt) for prompt in distinct}
        made: dict[str, TextConditioning] = {}
        # Rounds, because the batches get smaller for good once one did not fit.
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
        """Encode a batch into `made`; false if the memory was too small: half the tokens next."""
        try:
            made.update(zip(batch, self._batch(batch, chats), strict=True))
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            longest = max(len(chats[prompt]) for prompt in batch)
            self._tokens = len(batch) // 2 * longest
        else:
            return True
        # Here the error and the tensors that its frames hold are gone.
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
