"""Peaks of memory."""

from __future__ import annotations

from worker.device.memory_meter import ResidentMeter


def test_the_resident_set_is_a_peak_of_its_samples() -> None:
    meter = ResidentMeter()
    meter.reset()
    before = meter.peak()
    block = bytearray(64 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    meter.look()
    del block
    assert meter.peak() >= before + 48 * 2**20
    meter.reset()
    assert meter.peak() < before + 48 * 2**20
