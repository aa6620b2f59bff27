"""Who may read and write a home: what is created, what is refused, what `hymo doctor` finds."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.cli.faults import explain
from jobs.errors import SettingsError
from jobs.home import make_home
from jobs.rewriting.cache import AnswerCache
from jobs.rewriting.wish import Wish
from jobs.settings import Settings
from tests.cli.calling import call
from tests.conftest import unavailable
from worker.doctor.checks import examine
from worker.locks import HomeLock, models_lock, worker_lock

NOBODY = 65534


@pytest.fixture
def umask() -> Iterator[None]:
    """The umask that leaves everybody every right."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def needs_root() -> None:
    """Skip the test where files cannot be given to another user."""
    if os.geteuid() != 0:
        unavailable("another user", PermissionError("only root gives files away"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    "words", [("history",), ("db", "current"), ("db", "upgrade"), ("submit", "night.csv")]
)
def test_a_command_creates_a_private_home(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, output = tmp_path / "home", tmp_path / "motions"
    monkeypatch.chdir(tmp_path)
    Path("night.csv").write_text("prompt\na person walks\n", "utf-8")
    call("--home", home, *words, env={"HYMO_OUTPUT": str(output)})
    assert mode(home) == 0o700
    assert not output.exists() or mode(output) == 0o777


def up(home: Path) -> None:
    with HomeLock(home):
        pass


def worker(home: Path) -> None:
    worker_lock(home, device="cpu", name="w").take()


def importing(home: Path) -> None:
    with models_lock(home):
        pass


def rewriting(home: Path) -> None:
    wish = Wish(text=True)
    AnswerCache(home / "rewrites", url="http://h/v1", model="m", wish=wish).close()


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("use", [up, worker, importing, rewriting])
def test_what_needs_a_home_creates_it_private(use: Callable[[Path], None], tmp_path: Path) -> None:
    use(tmp_path / "new" / "home")
    assert mode(tmp_path / "new" / "home") == 0o700
    assert mode(tmp_path / "new") == 0o777


def test_a_strict_umask_leaves_the_owner_the_home(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        make_home(tmp_path / "home")
    finally:
        os.umask(before)
    assert mode(tmp_path / "home") == 0o700


def test_a_home_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o2775)
    assert call("--home", tmp_path, "history").exit_code == 0
    assert mode(tmp_path) == 0o2775


@pytest.mark.usefixtures("needs_root")
@pytest.mark.parametrize("what", [".", "config.toml"])
@pytest.mark.parametrize("owner", [NOBODY, NOBODY - 1])
def test_what_another_user_owns_is_refused(what: str, owner: int, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("lease = 120\n")
    os.chown(tmp_path / what, owner, -1)
    with pytest.raises(SettingsError, match=f"belongs to user {owner}, .*your own") as caught:
        Settings.read({"HYMO_HOME": str(tmp_path)})
    fault = explain(caught.value)
    assert fault is not None
    assert fault.exit_code == 2
    assert str(tmp_path) in fault.message


@pytest.mark.usefixtures("needs_root")
def test_a_user_may_use_a_home_of_ones_own_or_of_root(home: Path) -> None:
    (home / "config.toml").write_text("lease = 120\n")
    for owner, right in ((0, True), (NOBODY, True), (NOBODY - 1, False)):
        os.chown(home, owner, -1)
        home.chmod(0o755)
        os.seteuid(NOBODY)
        try:
            settings = Settings.read({"HYMO_HOME": str(home)})
        except SettingsError:
            assert not right
        else:
            assert right
            assert settings.lease == 120
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("what", [".", "config.toml"])
def test_what_everybody_may_write_is_refused(what: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("lease = 120\n")
    path = tmp_path / what
    path.chmod(mode(path) | 0o002)
    done = call("--home", tmp_path, "history")
    assert done.exit_code == 2
    assert f"run `chmod o-w {path}`" in done.output


@pytest.mark.parametrize(
    ("access", "config", "found"),
    [
        (0o700, 0o600, []),
        (0o700, 0o644, []),
        (0o755, 0o644, ["other users may read its passwords"]),
        (0o750, 0o640, ["other users may read its passwords"]),
        (0o755, 0o640, ["other users may read its passwords"]),
        (0o705, 0o640, []),
        (0o775, 0o600, ["its group may change what is done here"]),
    ],
)
def test_the_doctor_finds_what_others_can_do(
    access: int, config: int, found: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "config.toml"
    file.write_text('broker_url="redis://:secret@127.0.0.1:1/0"\n')
    file.chmod(config)
    tmp_path.chmod(access)
    assert accessible(tmp_path) == found


def test_a_file_without_passwords_may_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "config.toml").write_text('broker_url="redis://127.0.0.1:1/0"\n')
    assert accessible(tmp_path) == []


def accessible(home: Path) -> list[str]:
    """What the doctor says of access, without the paths."""
    findings = examine(Settings.read({"HYMO_HOME": str(home)}), {})
    return [each.found.partition(": ")[2] for each in findings if each.check == "access"]
