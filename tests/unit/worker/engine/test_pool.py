"""What a pool loads when, and what it unloads for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.unit.worker.stub import StubEngine
from worker.engine.pool import Encoder, LoadCost, ModelPool

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
class Loads:
    """Pools of two modes and an encoder, and what was ever loaded there."""

    clock: Ticker
    engines: list[StubEngine] = field(default_factory=list)
    encoders: list[StubEncoder] = field(default_factory=list)

    def pool(self, *, together: bool, resident: bool) -> ModelPool:
        return ModelPool(
            engines={("m", mode): lambda mode=mode: self.engine(mode) for mode in ("full", "lite")},
            encoders={"m": self.encoder},
            room={},
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
def loads(clock: Ticker) -> Loads:
    return Loads(clock)


def test_nothing_is_loaded_before_it_is_wanted_nor_twice(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=True)
    assert loads.loaded() == []
    assert pool.served == [("m", "full"), ("m", "lite")]
    first = pool.engine("m", "lite")
    assert pool.engine("m", "lite") is first
    assert loads.loaded() == ["lite"]


def test_resident_everything_stays(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=True)
    for _ in range(3):
        pool.engine("m", "full")
        pool.encoder("m")
        pool.engine("m", "lite")
    assert loads.loaded() == ["full", "lite", "encoder"]
    assert len(loads.engines) + len(loads.encoders) == 3


def test_staged_the_encoder_and_the_engines_take_turns(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=False)
    pool.engine("m", "full")
    pool.engine("m", "lite")
    assert loads.loaded() == ["full", "lite"]
    pool.encoder("m")
    assert loads.loaded() == ["encoder"]
    pool.engine("m", "lite")
    assert loads.loaded() == ["lite"]


def test_on_a_small_device_engines_take_turns_too(loads: Loads) -> None:
    pool = loads.pool(together=False, resident=False)
    pool.engine("m", "full")
    pool.engine("m", "lite")
    assert loads.loaded() == ["lite"]


def test_every_load_is_owed_once(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=False)
    assert pool.owed("m", "full") == LoadCost()
    pool.engine("m", "full")
    pool.encoder("m")
    pool.engine("m", "full")
    assert pool.owed("m", "full") == LoadCost(4.0, 2)
    assert pool.owed("m", "full") == LoadCost()
    assert pool.owed_encoding("m") == LoadCost(5.0, 1)
    assert pool.owed_encoding("m") == LoadCost()


def test_an_encoder_that_stays_is_booked_with_the_first_pack(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=True)
    assert pool.encoding == ["m"]
    pool.encoder("m")
    pool.engine("m", "full")
    assert pool.owed("m", "full") == LoadCost(7.0, 2)
    assert loads.pool(together=True, resident=False).encoding == []


def test_closing_closes_everything(loads: Loads) -> None:
    pool = loads.pool(together=True, resident=True)
    pool.engine("m", "full")
    pool.encoder("m")
    pool.close()
    assert loads.loaded() == []
