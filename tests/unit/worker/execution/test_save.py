"""Files: under a temporary name until the result is accepted."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.artifacts.temporary import part_path
from jobs.domain.attempts import Claim, Success, Timings
from worker.execution.save import SaveError, discard, final_path, publish, save


def write(claim: Claim, motion: Any, format_: str, path: Path) -> bool:
    with path.open("xb") as file:
        file.write(f"{format_} {motion}".encode())
    return True


def folder(claim: Claim) -> set[str]:
    return {path.name for path in final_path(claim, "npz").parent.iterdir()}


def done(claim: Claim) -> Success:
    return Success(claim, Timings(), None, save(claim, "m", write))


def test_paths_are_batch_id_and_seed(claim: Callable[..., Claim]) -> None:
    one = claim("walk", seed=7, output="/data", batch="night")
    assert final_path(one, "npz") == Path("/data/night/walk_s7.npz")
    assert part_path(final_path(one, "npz"), 2) == Path("/data/night/.walk_s7.npz.2.part")


def test_saving_leaves_only_parts(claim: Callable[..., Claim]) -> None:
    one = claim(formats=("bvh", "npz"))
    artifacts = save(one, "m", write)
    assert folder(one) == {".a_s0.bvh.1.part", ".a_s0.npz.1.part"}
    assert [artifact.format for artifact in artifacts] == ["bvh", "npz"]
    assert artifacts[1].path == str(final_path(one, "npz"))
    assert artifacts[1].size == len(b"npz m")
    assert artifacts[1].sha256 == hashlib.sha256(b"npz m").hexdigest()


def test_publishing_renames_and_clears_earlier_attempts(claim: Callable[..., Claim]) -> None:
    for attempt in (1, 2):
        save(claim(attempt=attempt), "old", write)
    last = claim(attempt=3)
    publish(done(last))
    assert folder(last) == {"a_s0.npz"}
    assert final_path(last, "npz").read_bytes() == b"npz m"


def test_publishing_replaces_what_an_earlier_success_left(claim: Callable[..., Claim]) -> None:
    publish(done(claim()))
    publish(Success(claim(attempt=2), Timings(), None, save(claim(attempt=2), "new", write)))
    assert final_path(claim(), "npz").read_bytes() == b"npz new"


def test_publishing_without_the_part_is_an_os_error(claim: Callable[..., Claim]) -> None:
    result = done(claim())
    discard(claim())
    with pytest.raises(FileNotFoundError):
        publish(result)


def test_discarding_takes_this_attempt_alone(claim: Callable[..., Claim]) -> None:
    save(claim(attempt=1), "m", write)
    save(claim(attempt=2), "m", write)
    discard(claim(attempt=2))
    discard(claim(attempt=2))  # nothing left to remove is no fault
    assert folder(claim()) == {".a_s0.npz.1.part"}


def test_an_engine_may_have_nothing_to_write(claim: Callable[..., Claim]) -> None:
    assert save(claim(), "m", lambda *_: False) == ()
    assert folder(claim()) == set()


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.ENOSPC, "free space"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "write permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "is writable"),
    ],
)
def test_a_disk_that_refuses_names_the_mend(
    claim: Callable[..., Claim], number: int, mend: str
) -> None:
    def refuse(claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        path.write_bytes(b"half")
        raise OSError(number, "refused")

    with pytest.raises(SaveError, match=mend) as caught:
        save(claim(), "m", refuse)
    assert str(final_path(claim(), "npz")) in str(caught.value)
    assert folder(claim()) == set()


def test_a_file_where_the_folder_should_be(claim: Callable[..., Claim], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(SaveError, match="is writable"):
        save(claim(), "m", write)


def test_one_format_that_fails_takes_the_others_with_it(
    claim: Callable[..., Claim],
) -> None:
    def second_fails(claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        if format_ == "npz":
            raise OSError(errno.ENOSPC, "full")
        return write(claim, motion, format_, path)

    with pytest.raises(SaveError):
        save(claim(formats=("bvh", "npz")), "m", second_fails)
    assert folder(claim()) == set()


def test_a_link_in_the_place_of_a_part_is_not_followed(
    claim: Callable[..., Claim], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    one = claim()
    part = part_path(final_path(one, "npz"), 1)
    part.parent.mkdir(parents=True)
    part.symlink_to(victim)
    publish(done(one))
    assert victim.read_text() == "theirs"
    assert final_path(one, "npz").read_bytes() == b"npz m"
    assert not final_path(one, "npz").is_symlink()


def test_a_link_that_comes_while_a_part_is_written_is_an_error(
    claim: Callable[..., Claim], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")

    def robbed(claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        write(claim, motion, format_, path)
        path.unlink()
        path.symlink_to(victim)
        return True

    with pytest.raises(SaveError, match="symbolic links"):
        save(claim(), "m", robbed)
    assert victim.read_text() == "theirs"
    assert folder(claim()) == set()
