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
    """Runs a node if this process can lock the home; else waits until the owner has exited.

    The caller calls `check` about once a second. Leaving drains and stops the node.

    Args:
        lock: the lock of the home.
        node: creates the node to run once this process owns the home.
        say: called with a sentence when another process owns the home, and when it has exited.

    Attributes:
        node: the running node; None while another process owns the home.
        owner: process id of the other process.
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

    def check(self) -> None:
        """Check the node, or try to lock the home.

        Raises:
            WorkersExitedError: every worker of the node was given up.
        """
        if self.node is not None:
            exits = self.node.check()
            if self.node.supervisor.exhausted:
                raise WorkersExitedError(exits[-1].log)
        elif time.monotonic() - self._tried >= RETRY:
            self._try()

    def starts(self) -> bool:
        """Whether a worker of the node is starting; raises `UnreachableError`."""
        return self.node is not None and self.node.starts()

    def _try(self) -> None:
        self._tried = time.monotonic()
        try:
            self._leaving.enter_context(self._lock)
        except AlreadyUpError as taken:
            if taken.pid != self.owner:
                self._say(
                    f"process {taken.pid} owns this home (hymo up or hymo run): "
                    "its workers run the jobs"
                )
                self.owner = taken.pid
            return
        if self.owner is not None:
            self._say(f"process {self.owner} has exited: starting our own workers")
            self.owner = None
        self.node = self._leaving.enter_context(self._make())
