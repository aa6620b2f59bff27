"""Reading a safetensors header: tensor names, and whether the file is complete."""

from pathlib import Path

from hymotion.importing.errors import SourceError
from hymotion.loading.checkpoint import refuse_pointer
from hymotion.parsing import safetensors_header
from hymotion.parsing.safetensors_header import HeaderError

FETCH = "Fetch the file again and compare its size with the published one"


def read_header(path: Path) -> frozenset[str]:
    """The names of a file's tensors, after checking the file's size against its header.

    Raises:
        SourceError: it is absent, a Git LFS pointer, not a safetensors file, cut short, or its
            tensors overlap or leave bytes out.
    """
    check_file(path)
    try:
        return frozenset(safetensors_header.read_header(path))
    except HeaderError as error:
        if error.promised is not None:
            raise _cut(path, error.promised, path.stat().st_size) from error
        raise SourceError(str(error), mend=FETCH, path=path) from error


def check_file(path: Path) -> None:
    """Refuse a file that is absent, empty, a Git LFS pointer or a web page.

    Raises:
        SourceError: names the reason.
    """
    if not path.is_file():
        dangling = "it is a link to nothing" if path.is_symlink() else "it is missing"
        raise SourceError(dangling, mend="Download it where it should be", path=path)
    refuse_pointer(path, SourceError)
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise SourceError("it is empty", mend=FETCH, path=path)
    if head.lstrip()[:5].lower() in {b"<!doc", b"<html"}:
        raise SourceError(
            "it is a web page, not the file itself",
            mend="Log in or accept the publisher's licence, then download the file again",
            path=path,
        )


def _cut(path: Path, wanted: int, size: int) -> SourceError:
    what = "cut short" if size < wanted else "too long"
    return SourceError(
        f"it is {what}: {size:,} bytes, and its header promises {wanted:,}", mend=FETCH, path=path
    )
