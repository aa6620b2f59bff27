"""Qwen3 without its head: chats to the last hidden states of the prompts' tokens.

Needs `transformers`.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from hymotion.device import attention
from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import read_json
from hymotion.text.prefix import prefix_cache
from hymotion.text.quantisation import Quantiser
from hymotion.text.shards import Shards
from hymotion.text.template import ChatTemplate

MODEL_TYPE = "qwen3"


class QwenEncoder:
    """A loaded language model and the chat template of its tokenizer.

    Attributes:
        template: of its chats.
        width: numbers a token.
    """

    def __init__(
        self, *, model: nn.Module, template: ChatTemplate, width: int, device: torch.device
    ) -> None:
        self.template = template
        self.width = width
        self.model = model
        self._device = device
        self._prefix = prefix_cache(model, template.prefix, device) if template.prefix else None

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        message: str,
        device: torch.device,
        dtype: torch.dtype,
        quantiser: Quantiser | None,
    ) -> "QwenEncoder":
        """Load a folder as its publisher made it: config, tokenizer and safetensors.

        Args:
            folder: of the files; nothing is fetched from anywhere else.
            message: the system message.
            device: where the weights go, a layer at a time.
            dtype: their type; bfloat16 as published.
            quantiser: makes them smaller, if given.

        Raises:
            EncoderFileError: the folder is no Qwen3, or its tensors are not the model's.
        """
        _check_kind(folder)
        config = Qwen3Config.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model = Qwen3Model(config)
        with Shards.open(folder, prefixes=["model."]) as shards:
            shards.check(model)
            for path, part in _parts(model):
                shards.fill(part, path=path, device=device, dtype=dtype)
                if quantiser is not None and isinstance(part, type(model.layers[0])):
                    quantiser.shrink(part)
        # The angles are no weights: they are computed, in float32 whatever the weights' type.
        model.rotary_emb = type(model.rotary_emb)(config=config).to(device)
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        if not getattr(tokenizer, "chat_template", None):
            raise EncoderFileError(
                "the tokenizer has no chat template",
                mend="Use the folder of Qwen3-8B as published, not that of its base model",
                path=folder,
            )
        return cls(
            model=model.eval(),
            template=ChatTemplate(tokenizer=tokenizer, message=message),
            width=config.hidden_size,
            device=device,
        )

    @property
    def prefix_tokens(self) -> int:
        """How many tokens all chats begin with."""
        return len(self.template.prefix)

    @torch.inference_mode()
    def states(self, chats: Sequence[Sequence[int]]) -> list[Tensor]:
        """The last hidden states, after the final norm, of each chat's tokens from the crop on.

        Args:
            chats: B chats' tokens, as `ChatTemplate.tokens` gives them.

        Returns:
            B tensors (T, width) in the model's type, on the CPU.
        """
        start = self.template.crop_start
        shared = all(tuple(chat[:start]) == self.template.prefix for chat in chats)
        cache = self._prefix if shared else None
        skipped = start if cache is not None else 0
        # Attention is causal and the padding on the right: no valid token sees any of it, so it
        # needs no mask and may be any token.
        ids = pad_sequence([torch.tensor(chat[skipped:]) for chat in chats], batch_first=True)
        with attention():
            out = self.model(input_ids=ids.to(self._device), past_key_values=cache, use_cache=False)
        hidden: Tensor = out.last_hidden_state[:, start - skipped :].cpu()
        return [row[: len(chat) - start].clone() for row, chat in zip(hidden, chats, strict=True)]


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The model's parts, its layers one by one, with what their tensors' names begin with."""
    parts = []
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            parts += [(f"{name}.{number}.", layer) for number, layer in enumerate(child)]
        else:
            parts.append((f"{name}.", child))
    return parts


def _check_kind(folder: Path) -> None:
    config = read_json(folder / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise EncoderFileError(
            f"is a model of type {config.get('model_type')!r}, not {MODEL_TYPE!r}",
            mend="Use the folder of Qwen3-8B",
            path=folder,
        )
    if config.get("quantization_config"):
        raise EncoderFileError(
            "was quantised by its publisher",
            mend="Use the folder of Qwen3-8B in bfloat16; quantise= makes it smaller at load",
            path=folder,
        )
