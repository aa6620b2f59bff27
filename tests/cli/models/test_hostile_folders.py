"""Downloaded folders that are not what they should be end in one line: file, what, mend."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.installed import Installed
from tests.cli.calling import Hymo

Harm = Callable[[Path], object]
INDEX = "qwen/model.safetensors.index.json"
PROGRAM = "clone/hymotion/network/text_encoders/model_constants.py"
BOMB = "a0: &a0 [lol, lol]\n" + "".join(
    f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)
)


def text(name: str, content: str) -> Harm:
    return lambda given: (given / name).write_text(content, "utf-8", "surrogateescape")


def folder(name: str) -> Harm:
    def harm(given: Path) -> None:
        (given / name).unlink()
        (given / name).mkdir()

    return harm


def loop(name: str) -> Harm:
    def harm(given: Path) -> None:
        (given / name).unlink()
        (given / name).symlink_to(given / name)

    return harm


def values(name: str, **changes: Any) -> Harm:
    def harm(given: Path) -> None:
        path = given / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return harm


def header(name: str, change: Callable[[dict[str, Any]], object]) -> Harm:
    """Changes the header of a safetensors file, and none of its other bytes."""

    def harm(given: Path) -> None:
        path = given / name
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        table = json.loads(content[8 : 8 + length])
        change(table)
        new = json.dumps(table).encode()
        path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])

    return harm


def bomb(given: Path) -> None:
    path = given / "full" / "config.yml"
    path.write_text(BOMB + path.read_text().replace("narrowband", "*a20"))


HARMS: dict[str, Harm] = {
    "bomb": bomb,
    "nested YAML": text("full/config.yml", "[" * 5000),
    "endless YAML": text("full/config.yml", "a: 1 # " + "x" * 10**6),
    "YAML of no value": text("full/config.yml", "a: !!int "),
    "YAML of a long value": text("full/config.yml", "network_module_args: " + "x" * 60_000),
    "a folder as config.yml": folder("full/config.yml"),
    "config.yml is a loop": loop("full/config.yml"),
    "config.yml is not text": text("full/config.yml", "\udcff\udcfe" * 50),
    "a folder as weights": folder("full/latest.ckpt"),
    "weights are no checkpoint": text("full/latest.ckpt", "PK\x03\x04" + "x" * 99),
    "index outside": values(INDEX, weight_map={"a": "../../../etc/passwd.safetensors"}),
    "index absolute": values(INDEX, weight_map={"a": "/etc/passwd.safetensors"}),
    "index above": values(INDEX, weight_map={"a": ".."}),
    "index of a list": values(INDEX, weight_map={"a": ["model.safetensors"]}),
    "index of numbers": values(INDEX, weight_map={"a": 1}),
    "index is a list": text(INDEX, "[]"),
    "index nested": text(INDEX, "[" * 100_000),
    "config.json nested": text("qwen/config.json", '{"a":' * 100_000),
    "config.json of a list": text("qwen/config.json", "[1]"),
    "config.json NaN": text("qwen/config.json", '{"model_type": "qwen3", "hidden_size": NaN}'),
    "config.json of long text": values("qwen/config.json", model_type="q" * 100_000),
    "config.json of no text": values("qwen/config.json", model_type=["qwen3"]),
    "code in config.json": values("qwen/config.json", auto_map={"AutoModel": "evil--repo.Model"}),
    "kernels in config.json": values("clip/config.json", attn_implementation="evil/kernel"),
    "a billion layers": values("qwen/config.json", num_hidden_layers=10**9),
    "tensors overlap": header(
        "qwen/model-00001-of-00002.safetensors",
        lambda table: table.update(a=next(iter(table.values()))),
    ),
    "tensor without keys": header(
        "qwen/model-00001-of-00002.safetensors", lambda table: table.update(a={})
    ),
    "a folder as tokenizer": folder("qwen/tokenizer.json"),
    "program nested": text(PROGRAM, "x = " + "(" * 10_000),
    "program with NUL": text(PROGRAM, "\0"),
    "program nested deeper": text(
        PROGRAM, "PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = " + "-" * 50_000 + "1"
    ),
}


@pytest.mark.parametrize("kind", HARMS)
def test_a_hostile_folder_is_one_line(
    models: Hymo, given: list[str], tmp_path: Path, kind: str
) -> None:
    root = tmp_path / "given"
    folders = {Path(each).name: Path(each) for each in given[1::2]}
    assert set(folders) >= {"full", "qwen", "clip"}, folders
    HARMS[kind](root)
    done = models("import", *given)
    assert (done.exit_code, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"hymo: {root}"), line
    assert line.endswith("."), "it ends with the mend"
    assert len(line) < 800
    assert Installed.read(tmp_path / "home").models == {}
