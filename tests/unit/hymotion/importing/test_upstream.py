"""The system message is read as a literal, and nothing in the user's copy is run."""

from pathlib import Path

import pytest

from hymotion.importing import HY_MOTION
from hymotion.importing.errors import SourceError
from hymotion.importing.upstream import NAME, read_system_message
from tests.unit.hymotion.importing.sources import DIGEST, MESSAGE, RELEASE, clone

WANTED = RELEASE.system_message


@pytest.mark.parametrize(
    "code",
    [
        f"{NAME} = {MESSAGE!r}\n",
        f"{NAME}: str = {MESSAGE!r}\n",
        f'X = 1\n{NAME} = (\n    "Say how the body "\n    "moves.\\nNothing “else”.\\n"\n)\n',
        f'{NAME} = """{MESSAGE}"""\n',
        f'{NAME} = "an old one"\n{NAME} = {MESSAGE!r}\n',
        f'# {NAME}\n{NAME} = """{MESSAGE}"""\n'.replace("\n", "\r\n"),
    ],
)
def test_the_message_is_found(tmp_path: Path, code: str) -> None:
    path = clone(tmp_path / "clone")
    (path / "hymotion/network/text_encoders/model_constants.py").write_bytes(code.encode())
    message = read_system_message(path, WANTED)
    assert (message.text, message.sha256) == (MESSAGE, DIGEST)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (f"{NAME} = open('/etc/hostname').read()\n", "computed.*nothing was run"),
        (f"{NAME} = {MESSAGE!r}.strip()\n", r"computed \(line 1\)"),
        (f"{NAME} = f'{{1}}'\n", "computed"),
        (f"{NAME} = [{{'role': 'system', 'content': {MESSAGE!r}}}]\n", "list of chat messages"),
        (f"{NAME} = b'x'\n", "is bytes"),
        (f"{NAME} = {MESSAGE + ' '!r}\n", "another text"),
        ("OTHER = 'x'\n", "does not bind"),
        (f"def f():\n    {NAME} = {MESSAGE!r}\n", "does not bind"),
        ("x = (\n", "not a Python file"),
        ("", "it is empty"),
        ("version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ],
)
def test_anything_else_says_what_it_is(tmp_path: Path, code: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        read_system_message(clone(tmp_path / "clone", code=code), WANTED)


def test_the_file_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"from pathlib import Path\nPath({str(mark)!r}).touch()\n{NAME} = {MESSAGE!r}\n"
    read_system_message(clone(tmp_path / "clone", code=code), WANTED)
    assert not mark.exists()


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"not a copy of the published repository.*Clone"):
        read_system_message(tmp_path, WANTED)


def test_the_published_message_is_known_by_its_hash(tmp_path: Path) -> None:
    assert HY_MOTION.system_message.length == 449
    with pytest.raises(SourceError, match=r"published: 449, b9c55290…5283"):
        read_system_message(clone(tmp_path / "clone"), HY_MOTION.system_message)
    near = "x" * 449
    assert not HY_MOTION.system_message.fits(near, "b9c55290" + "0" * 56)
    assert not HY_MOTION.system_message.fits(near, "0" * 60 + "5283")
    assert not HY_MOTION.system_message.fits(near + "x", "b9c55290" + "0" * 52 + "5283")
    assert HY_MOTION.system_message.fits(near, "b9c55290" + "0" * 52 + "5283")
