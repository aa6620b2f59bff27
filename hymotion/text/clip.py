"""CLIP's text model: one pooled vector per prompt, in float32. Needs `transformers`."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModel

from hymotion.errors import shown
from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import read_config
from hymotion.text.library import reading
from hymotion.text.shards import Shards

MODEL_TYPES = ("clip", "clip_text_model")
MAX_TOKENS = 77
PROMPTS = 256
"""Maximum number of prompts in a forward pass: 256 × 77 tokens need about 1 GiB."""


class ClipEncoder:
    """A loaded text model and its tokenizer.

    Attributes:
        width: size of a pooled vector.
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
        """Load a folder with all of CLIP or its text model alone.

        Raises:
            EncoderFileError: the folder does not hold CLIP, or its tensors do not fit the model.
        """
        kind = read_config(folder).get("model_type")
        if kind not in MODEL_TYPES:
            problem = f"is a model of type {shown(kind)}, not CLIP"
            raise EncoderFileError(problem, mend="Use the folder of CLIP ViT-L/14", path=folder)
        with reading(folder / "config.json"), torch.device("meta"):
            config = CLIPTextConfig.from_pretrained(folder, local_files_only=True)
            model = CLIPTextModel(config)
        with Shards.open(folder, prefixes=["text_model."]) as shards:
            shards.check(model)
            shards.fill(model, path="", device=device, dtype=torch.float32)
        _number_positions(model, device)
        with reading(folder):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        return cls(model=model.eval(), tokenizer=tokenizer, width=config.hidden_size, device=device)

    @torch.inference_mode()
    def pooled(self, prompts: Sequence[str]) -> Tensor:
        """(B, width) states of the first end-of-text token, before any projection; on the CPU.

        Prompts are cut to 77 tokens including start and end. Attention is causal, so padding after
        the end-of-text token changes nothing; only as much as the batch needs is added.
        """
        pooled = []
        for start in range(0, len(prompts), PROMPTS):
            encoded = self._tokenizer(
                [*prompts[start : start + PROMPTS]], truncation=True, max_length=MAX_TOKENS
            )
            # Every row ends with the end-of-text token. The published tokenizer pads with the same
            # token, and the model takes the state of the first one.
            rows = [torch.tensor(row) for row in encoded["input_ids"]]
            ids = pad_sequence(rows, batch_first=True, padding_value=int(rows[0][-1]))
            pooled.append(self.model(input_ids=ids.to(self._device)).pooler_output.cpu())
        return torch.cat(pooled)


def _number_positions(model: nn.Module, device: torch.device) -> None:
    """Fill the position buffers 0, 1, 2, …, which are not in the weight files."""
    for module in model.modules():
        for name, buffer in [*module.named_buffers(recurse=False)]:
            numbers = torch.arange(buffer.shape[-1], device=device).expand(buffer.shape)
            module.register_buffer(name, numbers, persistent=False)
