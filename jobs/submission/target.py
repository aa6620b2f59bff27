"""The batch that the jobs of a file go to."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from jobs.domain.batches import Batch
from jobs.domain.names import NAME_RULE, name_fault, normal, safe_name
from jobs.domain.spec import JobSpec
from jobs.errors import ConflictError, SettingsError
from jobs.promptfile.source import STREAM, Source
from jobs.store.base import CHUNK

if TYPE_CHECKING:
    from jobs.store.store import Store


@dataclass(frozen=True)
class Target:
    """The name of a batch, and why it is this one.

    Attributes:
        given: whether the user named it.
        made: the names of all batches that were made from the file, newest first, unless the user
            named one.
    """

    name: str
    given: bool = False
    made: tuple[str, ...] = ()

    @classmethod
    def find(cls, store: Store, source: Source, given: str | None) -> Target:
        """The batch that the user named, else that which was made from the file, else a new one.

        Of several batches that were made from the file, the one that has the name of the file comes
        first, then the newest. A new batch has the name of the file without extension, made safe as
        a folder name.

        Raises:
            SettingsError: the given name is not safe as a folder name.
        """
        if given is not None:
            found = name_fault(normal(given))
            if found is not None:
                raise SettingsError("--batch", given, f"{found}; {NAME_RULE}")
            return cls(normal(given), given=True)
        default = safe_name(source.stem)
        if source.origin == STREAM:
            return cls(default)
        made = tuple(batch.name for batch in store.batches.made_from(source.origin))
        return cls(default if default in made or not made else made[0], made=made)

    def check(self, store: Store, batch: Batch, source: Source, specs: Iterable[JobSpec]) -> None:
        """Refuse a file that is not the batch's own, unless the batch has all its jobs already.

        Raises:
            ConflictError: the file has jobs that the batch does not have; its name is the batch's
                only by chance.
        """
        own = os.path.normpath(batch.source) == source.origin
        if self.given or own or source.origin == STREAM:
            return
        if all(_has(store, batch, specs)):
            return
        raise ConflictError(
            f"batch {batch.name}",
            f"made from {batch.source}, and {source.origin} asks for other motions; "
            "nothing was submitted",
            f"name its own batch with --batch NAME, or add to this one with --batch {batch.name}",
        )


def _has(store: Store, batch: Batch, specs: Iterable[JobSpec]) -> Iterator[bool]:
    """Whether the batch has each of these jobs as it is."""
    left = iter(specs)
    while some := list(islice(left, CHUNK)):
        known = store.batches.existing(batch.id, [(spec.custom_id, spec.seed) for spec in some])
        for spec in some:
            job = known.get((spec.custom_id, spec.seed))
            yield job is not None and not job.differs(spec)
