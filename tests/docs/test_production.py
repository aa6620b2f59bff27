"""The production set-up: docker-compose.yml, the Dockerfile and docs/production.md.

No Docker engine is needed: the files are parsed, and every command in them is given to our own
command line's parser. What the servers are started with runs in `test_servers.py`.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from jobs.artifacts.folder import DAMAGED, OTHER, SILENT, UNMOUNTED, in_words
from jobs.cli.main import hymo
from jobs.settings import Settings

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
        if isinstance(volume, str) and not volume.startswith(".")
    }
    assert named == compose()["volumes"].keys()


def test_no_service_can_write_its_image_or_gain_rights() -> None:
    for name, one in services().items():
        assert one["read_only"] is True, name
        assert one["cap_drop"] == ["ALL"], name
        assert "cap_add" not in one, name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in one["tmpfs"], name
        assert re.fullmatch(r"\d+g", one["mem_limit"]), name
        assert isinstance(one["pids_limit"], int), name
        # Ours has a USER in the Dockerfile.
        assert one.get("user", "hymo" if "build" in one else "root") != "root", name


def test_files_that_are_mounted_are_here() -> None:
    for one in services().values():
        for volume in one.get("volumes", ()):
            if isinstance(volume, str) and volume.startswith("."):
                assert (ROOT / volume.split(":")[0]).is_file()
                assert volume.endswith(":ro")


def test_the_page_names_the_images() -> None:
    page = (ROOT / "docs" / "production.md").read_text("utf-8")
    (base,) = re.findall(r"^FROM (\S+)$", DOCKERFILE, re.MULTILINE)
    for image in {base} | {one["image"] for one in services().values() if "build" not in one}:
        assert f"`{image}`" in page


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
    installs = re.findall(r"^RUN pip install (.+)$", DOCKERFILE, re.MULTILINE)
    # By hash, and with no index but pip's own; our own code asks for nothing more.
    assert installs == [
        "--require-hashes -r requirements.lock", "--no-deps --no-build-isolation ."
    ]  # fmt: skip
    assert "INDEX" not in DOCKERFILE.upper()
    assert "\nsetuptools==" in (ROOT / "requirements.lock").read_text("utf-8")
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
