"""A tenant of a home: works there with a station of its own as soon as nobody else does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from worker.errors import AlreadyUpError, WorkersExitedError
from worker.locks import HomeLock
from worker.supervision.node import Node

#: Seconds between two tries to get a home that another process has.
RETRY = 1.0


class Standby:
    """Sees that a home's jobs are worked on: by whoever has the home, or else by itself.

    Its owner calls `look` about once a second. Leaving drains and stops what is its own.

    Args:
        lock: of the home.
        station: makes the station to run while the home is ours.
        say: told when somebody else has the home, and when it became ours after that.
    """

    def __init__(
        self, *, lock: HomeLock, node: Callable[[], Node], say: Callable[[str], None]
    ) -> None:
        self._lock = lock
        self._make = node
        self._say = say
        self._leaving = ExitStack()
        self._tried = float("-inf")
        self.node: Node | None = None
        self.owner: str | None = None

    def __enter__(self) -> Self:
        with ExitStack() as leaving:
            leaving.push(self)
            self._try()
            leaving.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.close()
        self.node = None

    def look(self) -> None:
        """One turn.

        Raises:
            CrewFallenError: every worker of ours was given up.
        """
        if self.node is not None:
            fallen = self.node.look()
            if self.node.crew.exhausted:
                raise WorkersExitedError(fallen[-1].log)
        elif time.monotonic() - self._tried >= RETRY:
            self._try()

    def _try(self) -> None:
        self._tried = time.monotonic()
        try:
            self._leaving.enter_context(self._lock)
        except AlreadyUpError as taken:
            if taken.pid != self.owner:
                self._say(
                    f"process {taken.pid} has this home (hymo up or hymo run): "
                    "its workers do the work"
                )
                self.owner = taken.pid
            return
        if self.owner is not None:
            self._say(f"process {self.owner} is done here: workers of our own go on")
            self.owner = None
        self.node = self._leaving.enter_context(self._make())
