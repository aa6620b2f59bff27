"""Qwen3 without its head: the last hidden states of the prompts' tokens.

Needs `transformers`.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from hymotion.device import attention
from hymotion.errors import shown
from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import read_config
from hymotion.text.library import reading
from hymotion.text.prefix import prefix_cache
from hymotion.text.quantisation import Quantiser
from hymotion.text.shards import Shards
from hymotion.text.template import ChatTemplate

MODEL_TYPE = "qwen3"


class QwenEncoder:
    """A loaded language model and the chat template of its tokenizer.

    Attributes:
        template: the chat template.
        width: size of a token's hidden state.
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
        """Load the publisher's folder of config, tokenizer and safetensors.

        Args:
            folder: of the files; nothing is downloaded.
            message: the system message.
            device: of the weights, which are loaded one layer at a time.
            dtype: of the weights; bfloat16 as published.
            quantiser: quantises the weights, if given.

        Raises:
            EncoderFileError: the folder does not hold Qwen3, or its tensors do not fit the model.
        """
        _check_kind(folder)
        with reading(folder / "config.json"), torch.device("meta"):
            config = Qwen3Config.from_pretrained(folder, local_files_only=True)
            model = Qwen3Model(config)
        with Shards.open(folder, prefixes=["model."]) as shards:
            shards.check(model)
            for path, part in _parts(model):
                shards.fill(part, path=path, device=device, dtype=dtype)
                if quantiser is not None and isinstance(part, type(model.layers[0])):
                    quantiser.shrink(part)
        # The rotary angles are computed, not loaded, and always in float32.
        with reading(folder / "config.json"):
            model.rotary_emb = type(model.rotary_emb)(config=config).to(device)
        with reading(folder):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
            template = ChatTemplate(tokenizer=tokenizer, message=message)
        if missing := template.missing:
            raise EncoderFileError(
                f"the tokenizer has no special token {' and '.join(missing)}",
                mend="Use the folder of Qwen3-8B as published",
                path=folder,
            )
        return cls(
            model=model.eval(),
            template=template,
            width=config.hidden_size,
            device=device,
        )

    @property
    def prefix_tokens(self) -> int:
        """Number of tokens that all chats begin with."""
        return len(self.template.prefix)

    @torch.inference_mode()
    def states(self, chats: Sequence[Sequence[int]]) -> list[Tensor]:
        """Last hidden states, after the final norm, of each chat's tokens from `crop_start` on.

        Args:
            chats: tokens of B chats, from `ChatTemplate.tokens`.

        Returns:
            B tensors (T, width) in the model's type, on the CPU.
        """
        start = self.template.crop_start
        shared = all(tuple(chat[:start]) == self.template.prefix for chat in chats)
        cache = self._prefix if shared else None
        skipped = start if cache is not None else 0
        # Attention is causal and padding is on the right, so no valid token attends to it: it
        # needs no mask and may be any token.
        ids = pad_sequence([torch.tensor(chat[skipped:]) for chat in chats], batch_first=True)
        with attention():
            out = self.model(input_ids=ids.to(self._device), past_key_values=cache, use_cache=False)
        hidden: Tensor = out.last_hidden_state[:, start - skipped :].cpu()
        return [row[: len(chat) - start].clone() for row, chat in zip(hidden, chats, strict=True)]


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The model's modules, each layer separately, with the prefixes of their tensor names."""
    parts = []
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            parts += [(f"{name}.{number}.", layer) for number, layer in enumerate(child)]
        else:
            parts.append((f"{name}.", child))
    return parts


def _check_kind(folder: Path) -> None:
    config = read_config(folder)
    if config.get("model_type") != MODEL_TYPE:
        raise EncoderFileError(
            f"is a model of type {shown(config.get('model_type'))}, not {MODEL_TYPE!r}",
            mend="Use the folder of Qwen3-8B",
            path=folder,
        )
    if config.get("quantization_config"):
        raise EncoderFileError(
            "was quantised by its publisher",
            mend="Use the folder of Qwen3-8B in bfloat16; quantise= makes it smaller at load",
            path=folder,
        )
