"""Peaks of memory."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
from worker.device.memory_meter import ResidentMeter
meter = ResidentMeter()
meter.reset()
before = meter.peak()
block = bytearray(64 * 2**20)
block[::4096] = b"x" * len(block[::4096])
meter.sample()
del block
print(meter.peak() - before)
meter.reset()
print(meter.peak() - before)
"""


def test_the_resident_set_is_a_peak_of_its_samples() -> None:
    # In a process of its own: memory that another test frees just now would hide the block.
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    with_block, without = map(int, done.stdout.split())
    assert without < 48 * 2**20 <= with_block
