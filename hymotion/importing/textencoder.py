"""The text encoder as one part: Qwen3-8B, CLIP, and the system message between them."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hymotion.importing.plan import Built, Step
from hymotion.importing.record import source_entry
from hymotion.importing.release import Release
from hymotion.importing.snapshot import HubSnapshot
from hymotion.importing.storage import copy, digest, keep_only, link, store
from hymotion.importing.stream import FileDigest, OnBytes
from hymotion.importing.textfiles import TextFiles, clip, qwen, text_files
from hymotion.importing.upstream import FILE, SystemMessage, read_system_message
from hymotion.text.folder import IDENTITY_FILE, MESSAGE_FILE, SCHEMA

NAME = "text"
FORMAT = 1
"""Rises when the same files would give other embeddings, so that old ones are made again."""


@dataclass(frozen=True)
class TextPart:
    """The text encoder's files, found and checked by their heads.

    Attributes:
        message: the language model's system message.
        models: both text models.
        upstream: the clone that the message came from.
        linked: whether the models' files are linked to.
    """

    message: SystemMessage
    models: tuple[TextFiles, ...]
    upstream: Path
    linked: bool
    name: str = NAME

    @classmethod
    def check(
        cls, *, upstream: Path, qwen_folder: Path, clip_folder: Path, release: Release, link: bool
    ) -> "TextPart":
        """Find the files; raises `SourceError` naming the first that is not what it should be."""
        message = read_system_message(upstream, release.system_message)
        models = (
            text_files(qwen_folder, qwen(release.ctxt_dim)),
            text_files(clip_folder, clip(release.vtxt_dim)),
        )
        return cls(message, models, upstream, link)

    @property
    def folders(self) -> Sequence[Path]:
        """Of both models, and the clone."""
        return (*(model.source.folder for model in self.models), self.upstream)

    def steps(self) -> Sequence[Step]:
        """A step a file."""
        action = "link" if self.linked else "copy"
        steps = [
            Step(NAME, action, path, f"{NAME}/{target}", 0 if self.linked else size, size)
            for target, path in self._targets()
            for size in (path.stat().st_size,)
        ]
        size = len(self.message.text.encode())
        steps.append(Step(NAME, "copy", self.message.path, f"{NAME}/{MESSAGE_FILE}", size, size))
        return steps

    def build(self, folder: Path, on_bytes: OnBytes | None) -> Built:
        """Copy or link every file and write the message; raises `RoomError`, `SourceError`."""
        put = link if self.linked else copy
        written = {
            target: put(folder / target, path, on_bytes=on_bytes)
            for target, path in self._targets()
        }
        revision = self._revision(written)
        told = {
            "schema": SCHEMA,
            "revision": revision,
            "system_message_sha256": self.message.sha256,
        }
        own = {
            MESSAGE_FILE: self.message.text.encode(),
            IDENTITY_FILE: f"{json.dumps(told)}\n".encode(),
        }
        for target, text in own.items():
            written[target] = store(folder / target, [text], wanted=len(text), on_bytes=on_bytes)
        keep_only(folder, written)
        return Built(revision, self._entry(revision, written), self._sources(written))

    def compare(self, on_bytes: OnBytes | None) -> str:
        """The revision that these files have."""
        return self._revision(
            {target: digest(path, on_bytes=on_bytes) for target, path in self._targets()}
        )

    def _targets(self) -> Iterator[tuple[str, Path]]:
        for model in self.models:
            for name, path in model.files.items():
                yield f"{model.kind.name}/{name}", path

    def _revision(self, written: Mapping[str, FileDigest]) -> str:
        """Of everything that decides the embeddings: weights, settings, tokenizers, message."""
        told = {
            "format": FORMAT,
            "files": {target: written[target].sha256 for target, _ in self._targets()},
            "system_message": self.message.sha256,
        }
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        return f"te-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def _entry(self, revision: str, written: Mapping[str, FileDigest]) -> dict[str, object]:
        sizes = {
            f"{model.kind.name}_bytes": sum(
                written[f"{model.kind.name}/{name}"].bytes for name in model.files
            )
            for model in self.models
        }
        return {
            "folder": NAME,
            "revision": revision,
            "bytes": sum(each.bytes for each in written.values()),
            **sizes,
            "files": {target: each.sha256 for target, each in written.items()},
            "linked": self.linked,
        }

    def _sources(self, written: Mapping[str, FileDigest]) -> list[dict[str, object]]:
        sources = [
            source_entry(
                NAME,
                model.kind.name,
                model.source,
                {path: written[f"{model.kind.name}/{name}"] for name, path in model.files.items()},
            )
            for model in self.models
        ]
        clone = HubSnapshot(self.upstream)
        return [
            *sources,
            source_entry(NAME, "upstream", clone, {FILE: written[MESSAGE_FILE]}),
        ]
