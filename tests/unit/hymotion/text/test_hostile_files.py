"""An installed encoder whose files were changed is refused in one line, before anything is run."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hymotion.text.errors import EncoderFileError, EncodingError
from hymotion.text.official import OfficialEncoder

Harm = Callable[[Path], object]


def text(name: str, content: str) -> Harm:
    return lambda folder: (folder / name).write_text(content, "utf-8", "surrogateescape")


def values(name: str, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / name
        found = json.loads(path.read_text())
        for key, value in changes.items():
            found.pop(key, None) if value is ... else found.update({key: value})
        path.write_text(json.dumps(found))

    return harm


def directory(name: str) -> Harm:
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return harm


def message(content: bytes) -> Harm:
    """Another message, with the digest that the folder's record should have."""

    def harm(folder: Path) -> None:
        (folder / "system_message.txt").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        values("encoder.json", system_message_sha256=digest)(folder)

    return harm


CONFIG, TOKENS, SETTINGS = "qwen/config.json", "qwen/tokenizer.json", "qwen/tokenizer_config.json"
HARMS: dict[str, Harm] = {
    "record nested": text("encoder.json", '{"a":' * 100_000),
    "record is a folder": directory("encoder.json"),
    "record of a number": values("encoder.json", revision=1),
    "message is not UTF-8": message(b"\xff\xfe"),
    "config nested": text(CONFIG, '{"a":' * 100_000),
    "config of NaN": text(CONFIG, '{"model_type": "qwen3", "rope_theta": NaN}'),
    "config without sizes": text(CONFIG, '{"model_type": "qwen3"}'),
    "a billion layers": values(CONFIG, num_hidden_layers=10**9),
    "a wide layer": values(CONFIG, hidden_size=10**12),
    "no heads": values(CONFIG, num_attention_heads=0),
    "heads of text": values(CONFIG, num_attention_heads="four"),
    "vocabulary of a list": values(CONFIG, vocab_size=[400]),
    "unknown activation": values(CONFIG, hidden_act="evil"),
    "kernels": values(CONFIG, attn_implementation="evil/kernel"),
    "code": values(CONFIG, auto_map={"AutoConfig": "evil--repo.Config"}),
    "layers of no kind": values(CONFIG, layer_types=["x"]),
    "rope of no kind": values(CONFIG, rope_parameters={"rope_type": "x"}),
    "rope of a list": values(CONFIG, rope_parameters=[1]),
    "clip without sizes": values("clip/config.json", text_config=None),
    "clip of text": values("clip/config.json", text_config={"num_hidden_layers": "x"}),
    "clip of a billion layers": values(
        "clip/config.json", text_config={"num_hidden_layers": 10**9}
    ),
    "tokenizer is a list": text(TOKENS, "[]"),
    "tokenizer nested": text(TOKENS, "[" * 100_000),
    "tokenizer of no model": values(TOKENS, model={"type": "Evil"}),
    "tokenizer of a bad pattern": values(
        TOKENS, pre_tokenizer={"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"}
    ),
    "settings are a list": text(SETTINGS, "[]"),
    "settings are no JSON": text(SETTINGS, "{"),
    "class of no kind": values(SETTINGS, tokenizer_class=["x"]),
    "decoder of a list": values(SETTINGS, added_tokens_decoder=[1]),
    "clip's tokens are a list": text("clip/vocab.json", "[1]"),
}


@pytest.mark.parametrize("kind", HARMS)
def test_a_changed_file_is_one_line(text_folder: Path, tmp_path: Path, kind: str) -> None:
    folder = Path(shutil.copytree(text_folder, tmp_path / "text"))
    HARMS[kind](folder)
    began = time.process_time()
    with pytest.raises((EncoderFileError, EncodingError)) as caught:
        OfficialEncoder.load(folder, device="cpu").encode(["walk"])
    found = str(caught.value)
    assert "\n" not in found
    assert found.startswith(str(folder))
    assert len(found) < 600 + len(str(folder))
    assert time.process_time() - began < 10
