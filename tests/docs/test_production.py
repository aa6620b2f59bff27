"""The production set-up: docker-compose.yml, the Dockerfile and docs/production.md.

No Docker engine is needed: the files are parsed, and every command in them is given to our own
command line's parser. The Redis command runs for real.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import redis
import yaml

from jobs.artifacts.folder import DAMAGED, OTHER, SILENT, UNMOUNTED, in_words
from jobs.cli.main import hymo
from jobs.settings import Settings
from tests.conftest import redis_program
from tests.waiting import until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PINNED = re.compile(r"^[a-z/]+:\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$")


def compose(text: str = TEXT) -> dict[str, Any]:
    document = yaml.safe_load(text)
    assert isinstance(document, dict)
    return document


def services(text: str = TEXT) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose(text)["services"]
    return found


def workers(text: str = TEXT) -> dict[str, dict[str, Any]]:
    return {
        name: one
        for name, one in services(text).items()
        if isinstance(one.get("command"), list) and one["command"][:2] == ["hymo", "worker"]
    }


def interpolated(text: str, environ: dict[str, str]) -> str:
    """`${VAR:?message}` and `${VAR:-default}` as Compose fills them in."""

    def fill(found: re.Match[str]) -> str:
        name, operator, rest = found.groups()
        if operator == ":?":
            return environ[name]
        return environ.get(name) or rest

    return re.sub(r"(?<!\$)\$\{(\w+)(:\?|:-)([^}]*)\}", fill, text).replace("$$", "$")


def parse_hymo(words: list[str]) -> None:
    """Give a command line to our parser; nothing is run. Raises `click.UsageError`."""
    context = hymo.make_context("hymo", list(words))
    command: click.Command = hymo
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = command.make_context(name, rest, parent=context)


# --- docker-compose.yml ------------------------------------------------------------------------


def test_images_are_pinned() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    for name, one in services().items():
        assert PINNED.match(one["image"]), name
        if "build" in one:
            assert one["image"] == f"hymo:{version}"


def test_nothing_is_published_beyond_this_machine() -> None:
    for name, one in services().items():
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ())), name
        assert "network_mode" not in one


def test_there_are_no_passwords_but_those_of_the_env_file() -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    offered = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    used = re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", TEXT)
    assert {name for name, _ in used} == offered.keys()
    for name, rest in used:
        assert rest.startswith(":?"), f"{name} must have no default"
        assert offered[name] == "", f"{name} must be empty in .env.example"
    lines = [line for line in TEXT.splitlines() if re.search("PASSWORD|requirepass|AUTH", line)]
    assert all("$" in line for line in lines if not line.lstrip().startswith("#"))
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "/.env" in ignored


def test_settings_understand_the_environment() -> None:
    environ = {
        "HYMO_DATABASE_PASSWORD": "hush1", "HYMO_BROKER_PASSWORD": "hush2",
        "HYMO_OUTPUT": "/srv/motions",
    }  # fmt: skip
    filled = services(interpolated(TEXT, environ))
    for name in ("migrate", "hymo", "gpu-0"):
        settings = Settings.read({**filled[name]["environment"], "HYMO_HOME": "/var/lib/hymo"})
        assert settings.database_url == "postgresql://hymo:hush1@postgres:5432/hymo"
        assert settings.broker_url == "redis://:hush2@redis:6379/0"
        assert settings.output == Path("/srv/motions")
        (bind,) = [one for one in filled[name]["volumes"] if isinstance(one, dict)]
        assert bind["source"] == bind["target"] == "/srv/motions"
    assert filled["postgres"]["environment"]["POSTGRES_PASSWORD"] == "hush1"


def test_every_hymo_command_exists_and_its_flags_parse() -> None:
    seen = 0
    for one in services(interpolated(TEXT, dict.fromkeys(
        ("HYMO_DATABASE_PASSWORD", "HYMO_BROKER_PASSWORD", "HYMO_OUTPUT"), "x"
    ))).values():  # fmt: skip
        command = one.get("command", [])
        check = one.get("healthcheck", {}).get("test", ["", ""])[1]
        for words in (command, shlex.split(check.partition("|")[0])):
            if words[:1] == ["hymo"]:
                parse_hymo(words[1:])
                seen += 1
    assert seen >= 3


@pytest.mark.parametrize("wrong", [["wroker"], ["worker", "--gpu", "0"], ["db", "migrate"]])
def test_the_parser_would_notice(wrong: list[str]) -> None:
    with pytest.raises(click.UsageError):
        parse_hymo(wrong)


def test_start_order() -> None:
    found = services()
    assert found["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("gpu-0", "hymo"):
        assert found[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
            "redis": {"condition": "service_healthy"},
        }
    assert found["migrate"]["restart"] == "no"


def test_servers_and_workers_have_health_checks_and_come_back() -> None:
    for name in ("redis", "postgres", *workers()):
        one = services()[name]
        assert one["healthcheck"]["test"][0] == "CMD-SHELL"
        assert one["restart"] == "unless-stopped"


def test_workers_may_finish_their_pack() -> None:
    for one in workers().values():
        minutes = re.fullmatch(r"(\d+)m", one["stop_grace_period"])
        assert minutes is not None
        assert int(minutes[1]) >= 10
        assert one["init"] is True  # signals reach the worker, which is not process 1


def test_a_worker_has_one_gpu_and_a_second_is_three_lines() -> None:
    lines = TEXT.splitlines()
    (start,) = [place for place, line in enumerate(lines) if line == "  # gpu-1:"]
    added = [line.replace("# ", "", 1) for line in lines[start : start + 4]]
    assert not lines[start + 4].strip()
    found = workers("\n".join([*lines[:start], *added, *lines[start + 4 :]]))
    assert len(added) - 1 == 3
    assert list(found) == ["gpu-0", "gpu-1"]
    for name, one in found.items():
        (device,) = one["deploy"]["resources"]["reservations"]["devices"]
        assert device == {
            "driver": "nvidia", "device_ids": [name[-1]], "capabilities": ["gpu"],
        }  # fmt: skip
        assert one["hostname"] == name
        assert one["command"][2:4] == ["--device", "cuda:0"]
        assert {**one, "hostname": "", "deploy": ""} == {
            **found["gpu-0"], "hostname": "", "deploy": "",
        }  # fmt: skip


def test_volumes_are_declared() -> None:
    named = {
        volume.split(":")[0]
        for one in services().values()
        for volume in one.get("volumes", ())
        if isinstance(volume, str)
    }
    assert named == compose()["volumes"].keys()


@pytest.fixture
def redis_of_compose(start_process: Callable[..., subprocess.Popen[bytes]]) -> Path:
    """The very command of the file, on a unix socket: the socket's path."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-c-"))
    shim = folder / "redis-server"
    options = f"--port 0 --unixsocket {folder}/s --dir {folder}"
    shim.write_text(f'#!/bin/sh\nexec {redis_program()} {options} "$@"\n')
    shim.chmod(0o755)
    words = [word.replace("$$", "$") for word in services()["redis"]["command"]]
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    process = start_process(
        words, env={"PATH": path, "REDISCLI_AUTH": "hush"}, stdout=subprocess.DEVNULL
    )

    def listens() -> bool:
        assert process.poll() is None
        return (folder / "s").exists()

    until(listens, "the server listens")
    return folder / "s"


@pytest.mark.redis
def test_redis_wants_the_password_and_forgets_nothing(redis_of_compose: Path) -> None:
    for password in (None, "wrong"):
        with (
            redis.Redis(unix_socket_path=str(redis_of_compose), password=password) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()
    with redis.Redis(
        unix_socket_path=str(redis_of_compose), password="hush", decode_responses=True
    ) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


# --- Dockerfile --------------------------------------------------------------------------------


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", base)
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1:] == ["hymo"]
    assert DOCKERFILE.index("USER hymo") < DOCKERFILE.index("CMD")


def test_the_image_is_made_of_what_is_here_with_the_versions_of_the_suite() -> None:
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    installs = [line for line in DOCKERFILE.splitlines() if line.startswith("RUN pip install")]
    assert len(installs) == 2
    assert all("-c constraints.txt" in line for line in installs)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    for pattern in packages["packages"]["find"]["include"]:
        assert f"COPY {pattern.rstrip('*')} " in DOCKERFILE


# --- docs/production.md ------------------------------------------------------------------------


def documented() -> list[list[str]]:
    """Every hymo command line of the page."""
    page = (ROOT / "docs" / "production.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    found = []
    for line in lines:
        words = shlex.split(line.partition(" < ")[0])
        if words[:3] == ["docker", "compose", "run"]:
            found.append(words[words.index("hymo") + 1 :])
        elif words[:1] == ["hymo"]:
            found.append(words[1:])
    return found


def test_documented_commands_parse() -> None:
    assert len(documented()) >= 6
    for words in documented():
        parse_hymo(words)


def test_the_page_lists_what_is_said_of_disks_and_folders() -> None:
    page = (ROOT / "docs" / "production.md").read_text("utf-8")
    for number in (
        errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO,
    ):  # fmt: skip
        words = in_words(OSError(number, os.strerror(number)))
        assert re.search(rf"`[^`]* {re.escape(words)} [^`]*`", page), words
    for fault in (OTHER, UNMOUNTED, DAMAGED, SILENT.fault, "is not a folder", "is read-only"):
        assert f"{fault} on node3`" in page, fault
