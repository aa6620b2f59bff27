"""Importing a release into a folder of models: checked, then made, then put in place."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from hymotion.importing.errors import DifferentError, RoomError, SourceError
from hymotion.importing.licence import licence_of
from hymotion.importing.network import CONFIG, WEIGHTS, NetworkPart
from hymotion.importing.plan import ImportPlan, Part, Step, Wanted
from hymotion.importing.record import Record, read_record, write_record
from hymotion.importing.release import HY_MOTION, Release
from hymotion.importing.storage import free_bytes, used_bytes
from hymotion.importing.stream import OnBytes
from hymotion.importing.textencoder import NAME as TEXT
from hymotion.importing.textencoder import TextPart

TEXT_REVISION = re.compile(r"te-[0-9a-f]{12}")


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        folder: of the model.
        revisions: part → its revision, of what was given.
        fresh: parts that were made; the others were there already and are the same.
        record: as it stands in `model.json`.
    """

    folder: Path
    revisions: Mapping[str, str]
    fresh: frozenset[str]
    record: Record


class Importer:
    """Imports a release.

    Two must not work in one folder at a time: whoever calls takes care of that.

    Args:
        models: folder of all models; made if need be.
        release: which one.
        now: the clock.
    """

    def __init__(
        self,
        *,
        models: Path,
        release: Release = HY_MOTION,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._release = release
        self._now = now
        self.folder = models / release.name
        self.partial = models / f".{release.name}.partial"

    def plan(self, wanted: Wanted) -> ImportPlan:
        """Check what was given, as far as names, types and sizes tell, and write nothing.

        Raises:
            HymotionError: something is not what it should be; names it and the likely cause.
        """
        record = read_record(self.folder, self._release.name)
        parts = self._parts(wanted)
        installed = frozenset(
            part.name
            for part in parts
            if _whole(self.folder / part.name, _entry(record, part.name))
        )
        steps = [step for part in parts for step in _steps(part, installed)]
        revision = _checked_revision(wanted.text_revision, record, parts)
        kinds = ["model"] * any(part.name != TEXT for part in parts)
        kinds += ["qwen", "clip"] * any(part.name == TEXT for part in parts)
        return ImportPlan(
            parts=parts,
            steps=steps,
            installed=installed,
            text_revision=revision,
            free=free_bytes(self.folder),
            kept=used_bytes(self.partial) if self.partial.is_dir() else 0,
            licence=licence_of(kinds, [folder for part in parts for folder in part.folders]),
        )

    def run(self, plan: ImportPlan, *, on_bytes: OnBytes | None = None) -> Imported:
        """Do what was planned. A part is in place whole or not at all.

        Args:
            plan: of this importer.
            on_bytes: told of work as it is done; what it raises ends the import, and the next one
                goes on from there.

        Raises:
            RoomError: the disk is, or would be, full.
            DifferentError: a part is installed that is not what was given.
            HymotionError: a file is damaged.
        """
        wanted = plan.bytes - plan.kept
        if wanted > plan.free:
            raise RoomError(self.partial, wanted=wanted, free=plan.free, kept=None)
        revisions: dict[str, str] = {}
        for part in plan.parts:
            record = read_record(self.folder, self._release.name)
            if part.name in plan.installed:
                revisions[part.name] = _compared(part, record, on_bytes)
            else:
                revisions[part.name] = self._make(part, plan, record, on_bytes)
        if plan.text_revision is not None:
            revisions[TEXT] = plan.text_revision
            self._note_revision(plan.text_revision)
        if self.partial.is_dir() and not any(self.partial.iterdir()):
            self.partial.rmdir()
        return Imported(
            folder=self.folder,
            revisions=revisions,
            fresh=frozenset(revisions) - plan.installed,
            record=read_record(self.folder, self._release.name),
        )

    def _parts(self, wanted: Wanted) -> list[Part]:
        parts: list[Part] = [
            NetworkPart.check(given, mode, self._release, link=wanted.link)
            for mode, given in (("full", wanted.full), ("lite", wanted.lite))
            if given is not None
        ]
        if wanted.upstream is not None and wanted.qwen is not None and wanted.clip is not None:
            parts.append(
                TextPart.check(
                    upstream=wanted.upstream,
                    qwen_folder=wanted.qwen,
                    clip_folder=wanted.clip,
                    release=self._release,
                    link=wanted.link,
                )
            )
        return parts

    def _make(self, part: Part, plan: ImportPlan, record: Record, on_bytes: OnBytes | None) -> str:
        """Build a part aside, put it in place, and only then say that it is there."""
        aside, place = self.partial / part.name, self.folder / part.name
        if place.exists():
            # Put in place by a run that ended before it could say so: compared, like all else.
            if aside.exists():
                shutil.rmtree(place)
            else:
                self._move(place, aside)
        aside.mkdir(parents=True, exist_ok=True)
        built = part.build(aside, on_bytes)
        self._move(aside, place)
        now = self._now()
        if part.name == TEXT:
            record["text"] = dict(built.entry)
        else:
            record["modes"][part.name] = dict(built.entry)
        record["imported_at"] = now.isoformat(timespec="seconds")
        record["licence"] = _merged(record["licence"], plan.licence.record(now))
        others = [source for source in record["sources"] if source["part"] != part.name]
        told = [dict(source) | {"imported_at": record["imported_at"]} for source in built.sources]
        record["sources"] = sorted([*others, *told], key=itemgetter("part"))
        write_record(self.folder, record)
        return built.revision

    def _note_revision(self, revision: str) -> None:
        record = read_record(self.folder, self._release.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        record["text"] = {
            "folder": None, "revision": revision, "bytes": 0, "qwen_bytes": 0, "clip_bytes": 0,
        }  # fmt: skip
        record["imported_at"] = self._now().isoformat(timespec="seconds")
        write_record(self.folder, record)

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _entry(record: Record, part: str) -> Mapping[str, Any] | None:
    entry = record["text"] if part == TEXT else record["modes"].get(part)
    # A revision that is only known by its name stands for no files.
    return entry if entry is not None and entry["folder"] is not None else None


def _whole(place: Path, entry: Mapping[str, Any] | None) -> bool:
    """Whether a part that is recorded has its files; one that lost some is made again."""
    if entry is None:
        return False
    if "files" in entry:
        return all((place / name).is_file() for name in entry["files"])
    weights, config = place / WEIGHTS, place / CONFIG
    return config.is_file() and weights.is_file() and weights.stat().st_size == entry["bytes"]


def _steps(part: Part, installed: frozenset[str]) -> list[Step]:
    if part.name not in installed:
        return list(part.steps())
    return [
        Step(part.name, "compare", step.source, step.target, 0, step.work) for step in part.steps()
    ]


def _compared(part: Part, record: Record, on_bytes: OnBytes | None) -> str:
    entry = _entry(record, part.name)
    found = part.compare(on_bytes)
    there = str(entry["revision"]) if entry is not None else "nothing"
    if found != there:
        raise DifferentError(part.name, installed=there, given=found)
    return found


def _checked_revision(given: str | None, record: Record, parts: list[Part]) -> str | None:
    if given is None:
        return None
    there = _entry(record, TEXT)
    if not TEXT_REVISION.fullmatch(given):
        raise SourceError(
            "it is no revision of a text encoder",
            mend="Copy it from `hymo models show hy-motion-1.0` on the machine that has the "
            "encoder: te- and 12 hexadecimal digits",
            path=Path(given),
        )
    if any(part.name == TEXT for part in parts) or there is not None:
        known = "given now" if there is None else str(there["revision"])
        raise DifferentError(TEXT, installed=known, given=given)
    return given


def _merged(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """What was shown before stays, with what was shown now."""
    merged = {**old, **new}
    told, seen = old.get("notices"), new.get("notices")
    if isinstance(told, dict) and isinstance(seen, dict):
        merged["notices"] = {**told, **seen}
    before, files = old.get("files"), new.get("files")
    if isinstance(before, list) and isinstance(files, list):
        merged["files"] = list(dict.fromkeys([*before, *files]))
    return merged
