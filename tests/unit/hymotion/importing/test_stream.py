"""Writing safetensors a piece at a time, cut and going on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from hymotion.importing.stream import (
    FileDigest,
    digest_pieces,
    file_pieces,
    header_bytes,
    tensor_pieces,
    write_pieces,
)
from hymotion.loading.pages import release_of
from hymotion.loading.safetensors_file import file_sha256


class CutError(Exception):
    """Stands for whatever ends a process."""


def tensors() -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(0)
    return {
        "b.weight": torch.randn(300, 40, generator=source),
        "a.half": torch.randn(7, generator=source).to(torch.bfloat16),
        "ü.count": torch.tensor(5),
        "empty": torch.zeros(0, 3),
        "turned": torch.randn(5, 6, generator=source).T,
    }


def write(path: Path) -> FileDigest:
    return write_pieces(path, tensor_pieces(tensors()), on_bytes=None)


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    written = write(path)
    found = load_file(path)
    assert found.keys() == tensors().keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors().items())
    assert written == FileDigest(path.stat().st_size, file_sha256(path))
    assert digest_pieces(tensor_pieces(tensors()), on_bytes=None) == written
    assert path.read_bytes().startswith(header_bytes(tensors()))
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("pieces", range(1, 6))
def test_a_cut_file_goes_on_where_it_stopped(
    tmp_path: Path, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hymotion.importing.stream.PIECE", 9_000)
    path, part = tmp_path / "w.safetensors", tmp_path / "w.safetensors.part"
    told: list[int] = []

    def cut(done: int) -> None:
        told.append(done)
        if len(told) == pieces:
            raise CutError

    with pytest.raises(CutError):
        write_pieces(path, tensor_pieces(tensors()), on_bytes=cut)
    assert not path.exists()
    assert part.stat().st_size == sum(told)
    written = write(path)
    assert written.sha256 == file_sha256(path)
    assert written == write(tmp_path / "whole.safetensors")


def test_what_is_there_is_never_trusted(tmp_path: Path) -> None:
    path, part = tmp_path / "w.safetensors", tmp_path / "w.safetensors.part"
    wanted = write(tmp_path / "whole.safetensors")
    whole = (tmp_path / "whole.safetensors").read_bytes()
    flipped = whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]
    for left in (part, path):
        for junk in (b"rubbish" * 20_000, whole + b"more", flipped):
            path.unlink(missing_ok=True)
            left.write_bytes(junk)
            assert write(path) == wanted
            assert path.read_bytes() == whole


def test_what_is_there_already_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hymotion.importing.stream.PIECE", 10)
    source, path = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(b"0123456789" * 5)
    (tmp_path / "copy.part").write_bytes(b"0123456789" * 3)
    inode = (tmp_path / "copy.part").stat().st_ino
    written: list[bytes] = []

    def watched() -> Iterator[bytes]:
        for piece in file_pieces(source):
            yield piece
            written.append((tmp_path / "copy.part").read_bytes())

    write_pieces(path, watched(), on_bytes=None)
    assert len(written[0]) == 30, "kept as it was while it is the same"
    assert (path.read_bytes(), path.stat().st_ino) == (source.read_bytes(), inode)


def test_a_link_in_the_way_is_replaced_and_its_file_left_alone(tmp_path: Path) -> None:
    own, path = tmp_path / "own", tmp_path / "w.safetensors"
    own.write_bytes(b"the user's")
    path.symlink_to(own)
    write(path)
    assert not path.is_symlink()
    assert own.read_bytes() == b"the user's"


def test_a_type_that_the_format_lacks_is_refused(tmp_path: Path) -> None:
    complex_ = {"c": torch.zeros(2, dtype=torch.complex64)}
    with pytest.raises(KeyError):
        write_pieces(tmp_path / "w.safetensors", tensor_pieces(complex_), on_bytes=None)
    assert not (tmp_path / "w.safetensors").exists()


def resident(path: Path) -> int:
    """Bytes of a file's mapping that are in this process."""
    total, ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if line.endswith(str(path)):
            ours = True
        elif line.startswith("Rss:") and ours:
            total += int(line.split()[1]) * 1024
            ours = False
    return total


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs Linux")
def test_pages_that_were_read_are_given_back_and_no_others(tmp_path: Path) -> None:
    path = (tmp_path / "state.pt").resolve()
    torch.save({"a": torch.randn(3_000_000), "b": torch.randn(1000)}, path)
    mapped = torch.load(path, weights_only=True, mmap=True)
    kept = torch.randn(3_000_000)
    before = kept.clone()
    plain = b"".join(tensor_pieces(mapped))
    assert resident(path) > 11_000_000
    release = release_of([path])
    assert b"".join(tensor_pieces(mapped, release=release)) == plain
    assert resident(path) < 1_000_000
    # Advice of this kind empties memory that is no file's: it must not reach any.
    release(kept.data_ptr(), kept.nbytes)
    assert torch.equal(kept, before)
