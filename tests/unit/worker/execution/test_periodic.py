"""Periodic threads: errors do not end them, and stopping waits for the calls that run."""

from __future__ import annotations

import threading

import pytest

from tests.waiting import HUNG
from worker.execution.periodic import PeriodicThreads


def test_an_error_is_logged_and_the_calls_go_on(caplog: pytest.LogCaptureFixture) -> None:
    calls, again = [], threading.Event()

    def call() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("a surprise")
        again.set()

    threads = PeriodicThreads()
    threads.start("reconciler", 0.001, call)
    assert again.wait(HUNG)
    threads.stop()
    assert "reconciler failed" in caplog.text
    assert "ValueError: a surprise" in caplog.text


def test_stopping_waits_for_a_call_in_progress() -> None:
    """What the call uses, such as a publisher, is closed next."""
    begun, go_on, stopped = threading.Event(), threading.Event(), threading.Event()
    order: list[str] = []

    def call() -> None:
        begun.set()
        go_on.wait(HUNG)
        order.append("called")

    def stop() -> None:
        threads.stop()
        order.append("stopped")
        stopped.set()

    threads = PeriodicThreads()
    threads.start("reconciler", 0.001, call)
    assert begun.wait(HUNG)
    stopper = threading.Thread(target=stop)
    stopper.start()
    assert not stopped.wait(0.05)
    go_on.set()
    stopper.join(HUNG)
    assert order == ["called", "stopped"]
