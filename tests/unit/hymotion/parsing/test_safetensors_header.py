"""Headers that lie about their file are refused, whatever reads it."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hymotion.errors import CheckpointError
from hymotion.importing.errors import SourceError
from hymotion.importing.header import read_header as read_import_header
from hymotion.loading.safetensors_file import read_weights
from hymotion.parsing.safetensors_header import HeaderError, TensorEntry, read_header
from hymotion.text.errors import EncoderFileError
from hymotion.text.shards import Shards

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}
ENTRIES = {
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
}


def changed(name: str, **keys: Any) -> dict[str, Any]:
    return {**ENTRIES, name: {**ENTRIES[name], **keys}}


def write(path: Path, header: object, *, data: int = 32, length: int | None = None) -> Path:
    text = header if isinstance(header, str) else json.dumps(header)
    count = len(text.encode()) if length is None else length
    path.write_bytes(struct.pack("<Q", count) + text.encode() + bytes(data))
    return path


LIES = {
    "overlap": changed("b", data_offsets=[20, 28]),
    "the same bytes": changed("b", dtype="F32", shape=[2, 3], data_offsets=[0, 24]),
    "hole": changed("a", shape=[1, 3], data_offsets=[0, 12]),
    "hole before": {"b": ENTRIES["b"]},
    "into the header": changed("a", data_offsets=[-8, 16]),
    "end before begin": changed("b", data_offsets=[32, 24]),
    "beyond the file": changed("b", data_offsets=[24, 2**40], shape=[2**39]),
    "more than its shape": changed("a", shape=[2, 2]),
    "less than its shape": changed("b", shape=[5]),
    "other type": changed("b", dtype="F32"),
    "no such type": changed("b", dtype="Q8"),
    "type of no text": changed("b", dtype=["F16"]),
    "shape of a thousand numbers": changed("b", shape=[2**62] * 1000),
    "negative shape": changed("b", shape=[-2, -2]),
    "shape of booleans": changed("b", shape=[True, 4]),
    "shape of fractions": changed("b", shape=[4.0]),
    "three offsets": changed("b", data_offsets=[24, 32, 32]),
    "no offsets": {**ENTRIES, "b": {"dtype": "F16", "shape": [4]}},
    "further keys": changed("b", path="/etc/passwd"),
    "no entry": {**ENTRIES, "b": None},
    "a list": [ENTRIES],
    "a name twice": json.dumps(ENTRIES)[:-1] + f', "b": {json.dumps(ENTRIES["b"])}}}',
    "NaN": '{"a": NaN}',
    "nested": '{"a": ' + "[" * 100_000,
    "a number of 5000 digits": json.dumps(ENTRIES).replace("32", "9" * 5000),
    "not UTF-8": "\ud800",
}
READERS: dict[str, tuple[Callable[[Path], object], type[Exception]]] = {
    "weights": (lambda path: read_weights(path, TENSORS), CheckpointError),
    "import": (read_import_header, SourceError),
    "shards": (lambda path: Shards.open(path.parent, prefixes=[]).__enter__(), EncoderFileError),
}


def test_what_the_library_writes_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, {"format": "pt"})
    found = read_header(path)
    assert found["a"].shape == (2, 3)
    assert set(found) == {"a", "b"}
    write(path, ENTRIES)
    assert read_header(path) == {
        "a": TensorEntry("F32", (2, 3), 0, 24),
        "b": TensorEntry("F16", (4,), 24, 32),
    }
    assert set(load_file(path)) == {"a", "b"}
    save_file({"none": torch.zeros(0, 3), "some": torch.zeros(2), "one": torch.tensor(1.0)}, path)
    assert len(read_header(path)) == 3


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_one_line(tmp_path: Path, lie: str, reader: str) -> None:
    text = LIES[lie]
    path = tmp_path / "w.safetensors"
    if isinstance(text, str):
        raw = text.encode("utf-8", "surrogatepass")
        path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(32))
    else:
        write(path, text)
    read, error = READERS[reader]
    with pytest.raises(error) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize("length", [2**63, 2**40, 17 * 2**20, 10_000, 0])
def test_a_length_that_is_not_the_headers(tmp_path: Path, length: int) -> None:
    """The reader takes neither the memory nor the time that a length promises."""
    path = write(tmp_path / "w.safetensors", ENTRIES, length=length)
    for read, error in READERS.values():
        with pytest.raises(error):
            read(path)
    with pytest.raises(HeaderError):
        read_header(path)
