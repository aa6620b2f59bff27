"""Signals that ask to stop: the first one gently, the next one at once."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import Self

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds between two looks while waiting.
POLL = 0.05


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP while it is entered. The handler does nothing else, so a
    signal interrupts nothing; the main loop asks `asked` and `hurried`.

    Signals that were ignored before (`nohup`, a shell's background jobs) stay ignored. It must be
    entered in the main thread.
    """

    def __init__(self) -> None:
        self._times = 0
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    @property
    def asked(self) -> bool:
        """Whether to stop."""
        return self._times > 0

    @property
    def hurried(self) -> bool:
        """Whether to stop at once."""
        return self._times > 1

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`, or until asked to stop."""
        until = time.monotonic() + seconds
        while not self.asked and (left := until - time.monotonic()) > 0:
            time.sleep(min(POLL, left))

    def __enter__(self) -> Self:
        for number in NUMBERS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._times += 1
