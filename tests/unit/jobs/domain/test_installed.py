"""Reading installed models, and the default model and revisions of jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.catalog import CATALOG, Catalog
from jobs.domain.installed import Installed
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.errors import ModelRecordError, NotFoundError, WeightsMissingError
from jobs.promptfile.survey import Asked, Survey
from jobs.submission.router import Router, planned

NAME = "hy-motion-1.0"
ROOM = 100 * GIB


def mode(name: str, **changes: Any) -> dict[str, Any]:
    entry = {
        "folder": name, "revision": f"st-{name}", "sha256": "ab", "config_sha256": "cd",
        "bytes": 10, "numbers": 2, "linked": False,
    }  # fmt: skip
    return entry | changes


def install(home: Path, *modes: str, **changes: Any) -> Path:
    folder = home / "models" / NAME
    folder.mkdir(parents=True)
    record = {
        "schema": 1, "name": NAME, "imported_at": "2026-11-23T02:00:00+00:00",
        "modes": {name: mode(name) for name in modes}, "text": None, "licence": {}, "sources": [],
    }  # fmt: skip
    path = folder / "model.json"
    path.write_text(json.dumps(record | changes))
    return path


def offer(name: str, *, declared: bool = False, **revisions: str) -> Offer:
    return Offer(
        name, ("full", "lite"), (NAME,), ROOM, revisions={NAME: revisions}, declared=declared
    )


def test_an_empty_home_has_nothing(tmp_path: Path) -> None:
    assert Installed.read(tmp_path).models == {}
    catalog = Catalog.read(tmp_path)
    assert catalog.default == "tiny"
    assert catalog.entry(NAME).revisions == {}
    assert catalog.entry("tiny") == CATALOG["tiny"]
    with pytest.raises(NotFoundError, match="tiny"):
        catalog.entry("huge")


def test_what_model_json_says_is_read(tmp_path: Path) -> None:
    text = {
        "folder": "text", "revision": "te-1", "bytes": 7, "qwen_bytes": 4, "clip_bytes": 2,
        "files": {"qwen/config.json": "ee"}, "linked": True,
    }  # fmt: skip
    path = install(tmp_path, "full", "lite", text=text, sources=[{"part": "full"}])
    model = Installed.read(tmp_path).models[NAME]
    assert model.modes["full"].folder == path.parent / "full"
    assert (model.modes["lite"].revision, model.bytes) == ("st-lite", 27)
    assert model.text is not None
    assert (model.text.revision, model.text.linked) == ("te-1", True)
    assert dict(model.sums())[path.parent / "text" / "qwen" / "config.json"] == "ee"
    assert len(list(model.sums())) == 5
    assert Catalog.read(tmp_path).default == NAME


def test_a_text_encoder_of_which_only_the_revision_is_known(tmp_path: Path) -> None:
    text = {"folder": None, "revision": "te-2", "bytes": 0, "qwen_bytes": 0, "clip_bytes": 0}
    install(tmp_path, "lite", text=text)
    model = Installed.read(tmp_path).models[NAME]
    assert model.text is not None
    assert (model.text.folder, model.text.revision) == (None, "te-2")
    assert len(list(model.sums())) == 2


def test_a_text_encoder_alone_makes_no_model_the_default(tmp_path: Path) -> None:
    install(tmp_path)
    assert Catalog.read(tmp_path).default == "tiny"


def test_what_an_import_left_half_way_does_not_count(tmp_path: Path) -> None:
    partial = tmp_path / "models" / f".{NAME}.partial"
    (partial / "full").mkdir(parents=True)
    (partial / "model.json").write_text("{}")
    (tmp_path / "models" / NAME / "full").mkdir(parents=True)
    assert Installed.read(tmp_path).models == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"name": "x"}', "cannot be read"),
        ('{"schema": 2}', "schema 2, this program knows 1"),
        ('{"schema": 1}', "lacks or misstates 'imported_at'"),
        ('{"schema": 1, "imported_at": "", "modes": {"full": {}}, "text": null}', "'folder'"),
    ],
)
def test_a_record_that_cannot_be_read_names_the_mend(
    tmp_path: Path, text: str, problem: str
) -> None:
    path = install(tmp_path, "full")
    path.write_text(text)
    with pytest.raises(ModelRecordError, match=problem) as caught:
        Installed.read(tmp_path)
    assert caught.value.path == str(path)
    assert "hymo models remove" in str(caught.value)


def route(asked_mode: str, offers: list[Offer], catalog: Catalog) -> tuple[str, str]:
    found = Router(offers, catalog).of(Asked(NAME, asked_mode, 100))
    assert found.demand.revision == found.revision
    return found.demand.mode, found.revision


def test_jobs_get_the_installed_revision(tmp_path: Path) -> None:
    install(tmp_path, "full", "lite")
    catalog = Catalog.read(tmp_path)
    others = offer("other", full="st-other", lite="st-other")
    assert route("full", [], catalog) == ("full", "st-full")
    assert route("lite", [others], catalog) == ("lite", "st-lite")
    assert route("auto", [], catalog) == ("lite", "st-lite")
    assert route("auto", [offer("w", full="st-full")], catalog) == ("full", "st-full")
    assert Router([others], catalog).of(Asked(NAME, "full", 100)).misfit is not None


def test_a_job_depends_on_the_text_encoder_and_on_how_workers_keep_it(tmp_path: Path) -> None:
    text = {"folder": None, "revision": "te-1", "bytes": 0, "qwen_bytes": 0, "clip_bytes": 0}
    install(tmp_path, "full", text=text)
    catalog = Catalog.read(tmp_path)
    assert route("full", [], catalog) == ("full", "st-full+te-1")
    assert route("full", [offer("w", full="st-full+te-2")], catalog)[1] == "st-full+te-1"
    smaller = offer("w", full="st-full+te-1+int8")
    assert route("full", [smaller], catalog) == ("full", "st-full+te-1+int8")


@pytest.mark.parametrize("only", ["full", "lite"])
def test_auto_is_what_is_installed(tmp_path: Path, only: str) -> None:
    install(tmp_path, only)
    catalog = Catalog.read(tmp_path)
    other = {"full": "lite", "lite": "full"}[only]
    assert route("auto", [], catalog) == (only, f"st-{only}")
    with pytest.raises(WeightsMissingError, match=f"hymo models import --{other} DIR") as caught:
        route(other, [], catalog)
    assert caught.value.known == (only,)
    assert f"there is {only}" in str(caught.value)


def test_without_weights_here_the_revision_is_the_workers(tmp_path: Path) -> None:
    none = Catalog.read(tmp_path)
    declared = [offer(f"d{number}", declared=True, lite="st-d") for number in range(3)]
    live = [offer("a", full="st-a", lite="st-a"), offer("b", lite="st-b"), offer("c", lite="st-b")]
    assert route("full", live, none) == ("full", "st-a")
    assert route("lite", [*declared, *live], none) == ("lite", "st-b")
    assert route("lite", declared, none) == ("lite", "st-d")
    assert route("auto", declared, none) == ("lite", "st-d")
    for asked in ("full", "auto"):
        with pytest.raises(WeightsMissingError, match="or start a worker that has them"):
            route(asked, [], none)


def test_a_plan_knows_what_is_installed(tmp_path: Path) -> None:
    install(tmp_path, "full")
    survey = Survey(
        rows=1, jobs=2, asked={Asked(NAME, "auto", 100): 2}, metadata=(), unfamiliar=(),
        problems=(), total=0, invalid=0,
    )  # fmt: skip
    assert planned("b", survey, [], Catalog.read(tmp_path)).auto == {"full": 2}
    with pytest.raises(WeightsMissingError):
        planned("b", survey, [])
