"""The garage: what is loaded when, and what makes room for what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from jobs.domain.memory import GIB
from tests.unit.worker.stub import StubEngine
from worker.engine.pool import Encoder, LoadCost, ModelPool, Slot

if TYPE_CHECKING:
    from tests.conftest import Ticker


class StubEncoder:
    """Encodes nothing, and knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    def encode(self, prompts, *, on_batch=None):
        return list(prompts)

    def close(self, *, give_back: bool = True) -> None:
        self.closed = True


@dataclass
class Yard:
    """A garage for two modes and an encoder, and what was ever loaded there."""

    clock: Ticker
    engines: list[StubEngine] = field(default_factory=list)
    encoders: list[StubEncoder] = field(default_factory=list)

    def pool(self, *, together: bool, resident: bool) -> ModelPool:
        return ModelPool(
            engines={
                ("m", mode): Slot(lambda mode=mode: self.engine(mode), weights=gib * GIB)
                for mode, gib in (("full", 4), ("lite", 2))
            },
            encoders={"m": Slot(self.encoder, weights=16 * GIB)},
            budget=24 * GIB,
            together=together,
            resident=resident,
            clock=self.clock,
        )

    def engine(self, mode: str) -> StubEngine:
        self.clock.tick(2.0)
        self.engines.append(StubEngine(mode=mode))
        return self.engines[-1]

    def encoder(self) -> Encoder:
        self.clock.tick(5.0)
        self.encoders.append(StubEncoder())
        return self.encoders[-1]

    def loaded(self) -> list[str]:
        """What is in memory now."""
        names = [engine.mode for engine in self.engines if not engine.closed]
        return names + ["encoder" for each in self.encoders if not each.closed]


@pytest.fixture
def yard(clock: Ticker) -> Yard:
    return Yard(clock)


def test_nothing_is_loaded_before_it_is_wanted_nor_twice(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=True)
    assert yard.loaded() == []
    assert pool.served == [("m", "full"), ("m", "lite")]
    first = pool.engine("m", "lite")
    assert pool.engine("m", "lite") is first
    assert yard.loaded() == ["lite"]


def test_resident_everything_stays(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=True)
    for _ in range(3):
        pool.engine("m", "full")
        pool.encoder("m")
        pool.engine("m", "lite")
    assert yard.loaded() == ["full", "lite", "encoder"]
    assert len(yard.engines) + len(yard.encoders) == 3


def test_staged_the_encoder_and_the_engines_take_turns(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=False)
    pool.engine("m", "full")
    pool.engine("m", "lite")
    assert yard.loaded() == ["full", "lite"]
    pool.encoder("m")
    assert yard.loaded() == ["encoder"]
    pool.engine("m", "lite")
    assert yard.loaded() == ["lite"]


def test_in_a_small_room_engines_take_turns_too(yard: Yard) -> None:
    pool = yard.pool(together=False, resident=False)
    pool.engine("m", "full")
    pool.engine("m", "lite")
    assert yard.loaded() == ["lite"]


def test_room_is_what_those_that_stay_leave(yard: Yard) -> None:
    assert yard.pool(together=True, resident=True).room("m", "full") == (24 - 2 - 16) * GIB
    assert yard.pool(together=True, resident=False).room("m", "full") == (24 - 2) * GIB
    assert yard.pool(together=True, resident=False).room("m", "lite") == (24 - 4) * GIB
    assert yard.pool(together=False, resident=False).room("m", "full") == 24 * GIB


def test_every_load_is_owed_once(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=False)
    assert pool.owed("m", "full") == LoadCost()
    pool.engine("m", "full")
    pool.encoder("m")
    pool.engine("m", "full")
    assert pool.owed("m", "full") == LoadCost(4.0, 2)
    assert pool.owed("m", "full") == LoadCost()
    assert pool.owed_encoding("m") == LoadCost(5.0, 1)
    assert pool.owed_encoding("m") == LoadCost()


def test_an_encoder_that_stays_is_booked_with_the_first_pack(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=True)
    assert pool.encoding == ["m"]
    pool.encoder("m")
    pool.engine("m", "full")
    assert pool.owed("m", "full") == LoadCost(7.0, 2)
    assert yard.pool(together=True, resident=False).encoding == []


def test_closing_closes_everything(yard: Yard) -> None:
    pool = yard.pool(together=True, resident=True)
    pool.engine("m", "full")
    pool.encoder("m")
    pool.close()
    assert yard.loaded() == []
