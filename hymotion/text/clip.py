"""CLIP's text half: prompts to one pooled vector each, in float32. Needs `transformers`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import read_json
from hymotion.text.shards import Shards

MODEL_TYPES = ("clip", "clip_text_model")
MAX_TOKENS = 77
PROMPTS = 256
"""The most prompts of a forward pass: 256 × 77 tokens need about 1 GiB."""


class ClipEncoder:
    """A loaded text model and its tokenizer.

    Attributes:
        width: numbers of a pooled vector.
    """

    def __init__(
        self, *, model: nn.Module, tokenizer: AutoTokenizer, width: int, device: torch.device
    ) -> None:
        self.width = width
        self.model = model
        self._tokenizer = tokenizer
        self._device = device

    @classmethod
    def load(cls, folder: Path, *, device: torch.device) -> "ClipEncoder":
        """Load a folder of a whole CLIP or of its text half.

        Raises:
            EncoderFileError: the folder is no CLIP, or its tensors are not the model's.
        """
        kind = read_json(folder / "config.json").get("model_type")
        if kind not in MODEL_TYPES:
            problem = f"is a model of type {kind!r}, not CLIP"
            raise EncoderFileError(problem, mend="Use the folder of CLIP ViT-L/14", path=folder)
        config = CLIPTextConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model = CLIPTextModel(config)
        with Shards.open(folder, prefixes=["text_model."]) as shards:
            shards.check(model)
            shards.fill(model, path="", device=device, dtype=torch.float32)
        _number_positions(model, device)
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        return cls(model=model.eval(), tokenizer=tokenizer, width=config.hidden_size, device=device)

    @torch.inference_mode()
    def pooled(self, prompts: Sequence[str]) -> Tensor:
        """(B, width) states of the first end-of-text token, before any projection; on the CPU.

        Prompts are cut to 77 tokens with both ends' marks. Attention is causal, so padding behind
        the end-of-text token changes nothing, and is left out as far as the batch allows.
        """
        pooled = []
        for start in range(0, len(prompts), PROMPTS):
            encoded = self._tokenizer(
                [*prompts[start : start + PROMPTS]], truncation=True, max_length=MAX_TOKENS
            )
            # Every row ends with the end-of-text token. The published tokenizer pads with more of
            # it, and the model takes the state of the first.
            rows = [torch.tensor(row) for row in encoded["input_ids"]]
            ids = pad_sequence(rows, batch_first=True, padding_value=int(rows[0][-1]))
            pooled.append(self.model(input_ids=ids.to(self._device)).pooler_output.cpu())
        return torch.cat(pooled)


def _number_positions(model: nn.Module, device: torch.device) -> None:
    """Buffers that are no weights: 0, 1, 2, …"""
    for module in model.modules():
        for name, buffer in [*module.named_buffers(recurse=False)]:
            numbers = torch.arange(buffer.shape[-1], device=device).expand(buffer.shape)
            module.register_buffer(name, numbers, persistent=False)
