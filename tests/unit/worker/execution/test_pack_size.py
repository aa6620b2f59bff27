"""How many motions a pack takes: by memory, by frames, and by how urgent they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobs.domain.attempts import Claim
from jobs.domain.memory import GIB
from jobs.domain.routing import Demand
from worker.execution.pack_size import CUDA_FRAMES, CUDA_PACK, SOON, PackSize

HEAD = Demand(model="tiny", mode="full", gib=1, frames=100)


def test_memory_frames_and_the_most_bound_a_pack() -> None:
    size = PackSize(most=CUDA_PACK, frames=CUDA_FRAMES)
    assert size.limit(HEAD, 80 * GIB) == 128
    assert size.limit(replace(HEAD, frames=360), 80 * GIB) == 35
    assert 1 <= size.limit(HEAD, 2 * GIB) < 8
    assert size.limit(HEAD, 1) == 1


def test_an_urgent_pack_is_what_is_sampled_soon(claim: Callable[..., Claim]) -> None:
    size, urgent = PackSize(most=128, frames=None), replace(HEAD, urgent=True)
    assert size.limit(urgent, 80 * GIB) == 1  # nothing is known of this model yet
    claims = [claim(model="tiny", frames=100)] * 10
    size.note(claims, SOON)
    assert size.limit(urgent, 80 * GIB) == 10
    size.note(claims[:1], SOON)  # a motion alone says little of a pack
    assert size.limit(urgent, 80 * GIB) == 10
    assert size.limit(replace(urgent, mode="lite"), 80 * GIB) == 1
    assert size.limit(HEAD, 80 * GIB) == 128
