"""Signals that ask to stop."""

from __future__ import annotations

import os
import signal
import time

import pytest

from worker.supervision.signals import StopSignals


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_asks_and_the_second_hurries(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert (stop.asked, stop.hurried) == (False, False)
        send(number)
        assert (stop.asked, stop.hurried) == (True, False)
        start = time.monotonic()
        stop.wait(60)
        assert time.monotonic() - start < 10, "it does not sleep once asked"
        send(number)
        assert stop.hurried
    assert signal.getsignal(number) is before


def test_what_was_ignored_stays_ignored() -> None:
    """As under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            send(signal.SIGHUP)
            assert not stop.asked
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
