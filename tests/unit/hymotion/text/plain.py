"""The published computation in plain `transformers`, one prompt at a time, as it is specified."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

MARKER = "prompt-begins-here"
KEPT = 128


@dataclass(frozen=True, eq=False)
class Plain:
    """ctxt (128, Dc), vtxt (1, Dv) and the number of attended tokens after the crop."""

    ctxt: Tensor
    vtxt: Tensor
    length: int


class PlainEncoder:
    def __init__(self, folder: Path, *, dtype: torch.dtype = torch.float32) -> None:
        # Only here: every test process collects this file, and few run its tests.
        from transformers import AutoTokenizer, CLIPTextModel, Qwen3Model

        self.message = (folder / "system_message.txt").read_text(encoding="utf-8")
        self.qwen = Qwen3Model.from_pretrained(folder / "qwen", dtype=dtype).eval()
        self.chat = AutoTokenizer.from_pretrained(folder / "qwen")
        self.clip = CLIPTextModel.from_pretrained(folder / "clip").eval()
        self.words = AutoTokenizer.from_pretrained(folder / "clip")
        marked = self.text(MARKER)
        offsets = self.chat(marked, add_special_tokens=False, return_offsets_mapping=True)
        place = marked.index(MARKER)
        spans = offsets["offset_mapping"]
        self.crop_start = next(n for n, (_, end) in enumerate(spans) if end > place)

    def text(self, prompt: str) -> str:
        chat = [{"role": "system", "content": self.message}, {"role": "user", "content": prompt}]
        return self.chat.apply_chat_template(
            chat, tokenize=False, add_generation_prompt=False, enable_thinking=False
        )

    @torch.no_grad()
    def encode(self, prompt: str) -> Plain:
        encoded = self.chat(
            self.text(prompt),
            add_special_tokens=False,
            padding="max_length",
            max_length=self.crop_start + KEPT,
            truncation=True,
            padding_side="right",
            return_tensors="pt",
        )
        states = self.qwen(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).last_hidden_state
        words = self.words(
            prompt, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        )
        return Plain(
            ctxt=states[0, self.crop_start :],
            vtxt=self.clip(**words).pooler_output,
            length=int(encoded["attention_mask"][0, self.crop_start :].sum()),
        )
