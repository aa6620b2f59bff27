"""Waiting for an event, on a machine of any speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

Value = TypeVar("Value")

#: Seconds after which a wait is given up. It only ends a test that hangs and measures nothing. The
#: `timeout` of pytest in pyproject.toml is longer, so that the test says what it waited for.
HUNG = 300.0
#: Seconds between two looks at a condition.
EVERY = 0.02


def until(
    condition: Callable[[], Value], what: str, *, story: Callable[[], str] = lambda: ""
) -> Value:
    """The condition's value once it is true.

    Args:
        condition: looked at again and again; it raises where the event can no longer come.
        what: is waited for, as the failed test says it.
        story: what the failed test shows besides.
    """
    give_up = time.monotonic() + HUNG
    while not (value := condition()):
        if time.monotonic() > give_up:
            pytest.fail(f"not within {HUNG:g} s: {what}\n{story()}")
        time.sleep(EVERY)
    return value
