"""The root group: lazy imports, complete help and exit codes."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import DatabaseError, OperationalError

from jobs.cli import reference
from jobs.cli.faults import ExitCode, explain
from jobs.cli.group import LazyGroup
from jobs.cli.main import OWN, SECTIONS, hymo
from jobs.errors import JobsError, NotFoundError, UnreachableError

HEAVY = {"sqlalchemy", "rich", "celery", "kombu", "redis", "alembic", "torch", "numpy", "worker"}


def commands() -> Iterator[tuple[str, click.Command]]:
    def below(
        command: click.Command, context: click.Context
    ) -> Iterator[tuple[str, click.Command]]:
        yield context.command_path, command
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                each = command.get_command(context, name)
                assert each is not None
                with click.Context(each, info_name=name, parent=context) as inner:
                    yield from below(each, inner)

    with click.Context(hymo, info_name="hymo") as context:
        yield from below(hymo, context)


ALL = dict(commands())


def modules_after(*words: str) -> set[str]:
    code = (
        "import sys\nfrom jobs.cli.main import hymo\n"
        f"try: hymo.main({list(words)!r}, prog_name='hymo')\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_nothing_heavy() -> None:
    for words in (("--help",), ("history", "--help")):
        assert not {name.partition(".")[0] for name in modules_after(*words)} & HEAVY


def test_help_imports_no_command() -> None:
    modules = {target.partition(":")[0] for target in hymo.targets.values()}
    assert not modules_after("--help") & modules


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_has_help(path: str) -> None:
    command = ALL[path]
    assert command.help, path
    for param in command.params:
        if isinstance(param, click.Option):
            assert param.help, f"{path} {param.name}"
            assert param.help.endswith((".", "]")), f"{path} {param.name}: no sentence"


@pytest.mark.parametrize(
    ("name", "text"), [each for lines in SECTIONS.values() for each in lines.items()]
)
def test_the_list_tells_what_the_command_tells(name: str, text: str) -> None:
    first = (ALL[f"hymo {name}"].help or "").split("\n\n")[0].replace("\n", " ").strip()
    assert text == first.removesuffix(".")
    assert len(text) <= 80


def test_commands_of_other_packages_are_listed_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "hymo_dance-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: hymo-dance\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[of.tests]\ndance = hymo_dance.nowhere:dance\n")
    monkeypatch.syspath_prepend(tmp_path)
    group = LazyGroup("hymo", own={}, plugins="of.tests")
    shown = CliRunner().invoke(group, ["--help"]).stdout
    assert shown.endswith("More:\n  dance  From hymo_dance.nowhere:dance\n")
    (tmp_path / "hymo_dance").mkdir()
    (tmp_path / "hymo_dance" / "nowhere.py").write_text(
        "import click\n@click.command()\ndef dance():\n    click.echo('danced')\n"
    )
    assert CliRunner().invoke(group, ["dance"]).stdout == "danced\n"


def test_every_command_is_in_a_section() -> None:
    listed = [name for lines in SECTIONS.values() for name in lines]
    assert len(listed) == len(set(listed))
    assert set(OWN) <= set(listed)
    assert set(hymo.list_commands(click.Context(hymo))) <= set(listed)


def test_the_page_is_up_to_date() -> None:
    page = reference.PAGE.read_text("utf-8")
    assert reference.updated(page) == page, "run `python -m jobs.cli.reference`"
    for path in ALL:
        assert f"\n## `{path}`\n" in page
    with pytest.raises(ValueError, match="marker"):
        reference.updated("no markers here")


def failing(error: BaseException) -> LazyGroup:
    group = LazyGroup("hymo", own={})

    @group.command()
    def fail() -> None:
        raise error

    group.get_command = lambda ctx, cmd_name: fail  # type: ignore[method-assign]
    return group


@pytest.mark.parametrize("path", ALL)
def test_what_is_not_utf8_is_named(path: str) -> None:
    words, before = path.split()[1:], []
    for param in ALL[path].params:
        if isinstance(param, click.Option) and not param.is_flag:
            given = [[option, "caf\udce9s"] for option in param.opts]
            told = f"{max(param.opts, key=len)} is not UTF-8: "
        elif isinstance(param, click.Argument):
            given = [[*before, "caf\udce9s"]]
            before.append("1")
            told = f"{param.human_readable_name.strip('[].')} is not UTF-8: "
        else:
            continue
        for more in given:
            done = CliRunner().invoke(hymo, [*words, *more])
            assert (done.exit_code, done.stdout) == (2, ""), done.output
            assert done.stderr.startswith(f"Error: {told}"), done.stderr


class Foreign(Exception):
    exit_code = 4


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (NotFoundError("batch", "x", "there is y"), 3, "hymo: no batch 'x': there is y\n"),
        (UnreachableError("database", "pg://u:***@h", "no", "up?"), 7, "hymo: database pg://u:***"),
        (JobsError("wrong"), 1, "hymo: wrong\n"),
        (Foreign("theirs"), 4, "hymo: theirs\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1, "hymo: /x: Permission"),
        (click.UsageError("no such thing"), 2, "no such thing"),
        (KeyboardInterrupt(), 130, ""),
        (click.Abort(), 130, ""),
        (OperationalError("q", {}, Exception("database is locked")), 7, "hymo: the database did"),
        (DatabaseError("q", {}, Exception("file is not a database")), 1, "hymo: database error: "),
    ],
)
def test_exit_codes(error: BaseException, code: int, text: str) -> None:
    done = CliRunner().invoke(failing(error), ["fail"], prog_name="hymo")
    assert (done.exit_code, done.stdout) == (code, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    for error in (ZeroDivisionError("x"), OperationalError("q", {}, Exception("no such column"))):
        assert explain(error) is None
        done = CliRunner().invoke(failing(error), ["fail"], prog_name="hymo")
        assert done.exception is error


def test_a_returned_number_is_the_exit_code() -> None:
    group = LazyGroup("hymo", own={})
    done = click.Command("done", callback=lambda: ExitCode.JOBS_FAILED)
    group.get_command = lambda ctx, cmd_name: done  # type: ignore[method-assign]
    assert CliRunner().invoke(group, ["done"]).exit_code == 5


def test_completion_lists_commands() -> None:
    with click.Context(hymo, info_name="hymo") as context:
        found = {item.value: item.help for item in hymo.shell_complete(context, "re")}
    assert set(found) == {"retry", "resume"}
    assert all(found.values())


@pytest.mark.parametrize(("value", "shown"), [(None, 0), ("", 0), ("0", 0), ("1", 1)])
def test_tracebacks_are_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, value: str | None, shown: int
) -> None:
    monkeypatch.delenv("HYMO_TRACEBACK", raising=False)
    if value is not None:
        monkeypatch.setenv("HYMO_TRACEBACK", value)
    error = JobsError("wrong")
    done = CliRunner().invoke(failing(error), ["fail"], prog_name="hymo")
    assert (done.exception is error) == bool(shown)
