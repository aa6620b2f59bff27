"""A standby: it runs a node of its own as soon as no other process owns the home."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from worker.errors import AlreadyUpError, WorkersExitedError
from worker.locks import HomeLock
from worker.supervision.node import Node

#: Seconds between two tries to lock a home that another process owns.
RETRY = 1.0


class Standby:
    """Sees that a home's jobs are done: by the process that owns the home, or else by itself.

    Its owner calls `look` about once a second. Leaving drains and stops its own node.

    Args:
        lock: of the home.
        node: makes the node to run while this process owns the home.
        say: told when another process owns the home, and when that process is gone.

    Attributes:
        node: the running node; None while another process owns the home.
        owner: process id of that other process.
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
        """Look after the node, or try to get the home.

        Raises:
            WorkersExitedError: every worker of the node was given up.
        """
        if self.node is not None:
            exits = self.node.look()
            if self.node.supervisor.exhausted:
                raise WorkersExitedError(exits[-1].log)
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
