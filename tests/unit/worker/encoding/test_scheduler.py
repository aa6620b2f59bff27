"""The scribe on a real store: who waits for a text, who goes on, when the encoder has its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jobs.domain.routing import TextDemand
from jobs.settings import Settings
from tests.unit.worker.stub import Bench
from worker.encoding.policy import EncodingPolicy
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool, Slot
from worker.engine.texts import PromptFeatures
from worker.errors import UnencodedError
from worker.execution.database_retry import DatabaseRetry
from worker.loop import WorkLoop
from worker.planning.encoder_placement import EncoderPlacement

DEMAND = TextDemand(gib=20, revision="te-1")


@dataclass
class Desk:
    """A worker that encodes: its embeddings, its encoder, and how often what was loaded."""

    bench: Bench
    plan: EncoderPlacement = EncoderPlacement.STAGED
    kept: dict[str, str] = field(default_factory=dict)
    encoded: list[list[str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    sabotage: Callable[[Sequence[str]], None] = lambda _: None
    turns: EncodingPolicy = field(default_factory=EncodingPolicy)
    settings: Settings | None = None

    def has(self, prompt: str) -> bool:
        return prompt in self.kept

    def get(self, prompt: str) -> str | None:
        return self.kept.get(prompt)

    problem: str | None = None

    def put(self, prompt: str, text: str) -> bool:
        if self.problem is None:
            self.kept[prompt] = text
        return self.problem is None

    def encode(self, prompts: Sequence[str], *, on_batch: Any = None) -> list[str]:
        self.encoded.append(list(prompts))
        self.sabotage(prompts)
        if on_batch is not None:
            on_batch(len(prompts), len(prompts))
        return [f"text of {prompt}" for prompt in prompts]

    def close(self, *, give_back: bool = True) -> None:
        pass

    def shift(self) -> WorkLoop:
        """A shift whose engine finds its texts here."""
        bench = self.bench
        pool = ModelPool(
            engines={("null", "full"): Slot(self._engine)},
            encoders={"null": Slot(self._encoder)},
            budget=bench.offer.memory_bytes,
            resident=self.plan is EncoderPlacement.RESIDENT,
            clock=bench.clock,
        )
        texts = PromptFeatures(store=self, plan=self.plan, encoder=lambda: pool.encoder("null"))
        shared = {
            "store": bench.store, "worker_id": bench.worker_id, "offer": bench.offer,
            "pool": pool, "keeper": bench.keeper, "stamp": bench.stamp,
            "settings": self.settings or bench.settings,
            "outage": DatabaseRetry(longest=60, clock=bench.clock, sleep=bench.clock.tick),
            "clock": bench.clock,
        }  # fmt: skip
        scribe = EncodingScheduler(
            texts={"null": (texts, DEMAND)},
            stopping=bench.draining.is_set,
            turns=self.turns,
            **shared,
        )
        bench.engine.encode = self._find(texts)  # type: ignore[method-assign]  # for this test alone
        return WorkLoop(draining=bench.draining, device_pack=8, scribe=scribe, **shared)

    def _engine(self) -> Any:
        self.loads.append("engine")
        return self.bench.engine

    def _encoder(self) -> Any:
        self.loads.append("encoder")
        self.bench.clock.tick(5)
        return self

    def _find(self, texts: PromptFeatures) -> Callable[..., Any]:
        def encode(claims: Sequence[Any]) -> list[Any]:
            self.bench.engine.packs.append([claim.custom_id for claim in claims])
            return [found.text for found in texts.find([claim.prompt for claim in claims])]

        return encode

    def waiting(self) -> set[str]:
        rows = self.bench.rows("SELECT custom_id FROM jobs WHERE encode_gib IS NOT NULL")
        return {row["custom_id"] for row in rows}

    def tries(self, custom_id: str) -> list[tuple[str, str]]:
        rows = self.bench.rows(
            "SELECT a.mode, a.outcome FROM attempts a JOIN jobs j ON j.id = a.job_id"
            " WHERE j.custom_id = :id ORDER BY a.number",
            id=custom_id,
        )
        return [(row["mode"], row["outcome"]) for row in rows]


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench)


def test_staged_everything_is_encoded_ahead_and_each_model_loaded_once(desk: Desk) -> None:
    numbers = desk.bench.insert(*[f"j{i:02}" for i in range(40)])
    desk.shift().work(numbers["j00"])
    assert set(desk.bench.states().values()) == {"succeeded"}
    assert desk.loads == ["encoder", "engine"]
    assert sorted(prompt for batch in desk.encoded for prompt in batch) == [
        f"prompt j{i:02}" for i in range(40)
    ]
    assert len(desk.encoded) == 1
    assert desk.bench.engine.packs[0] == [f"j{i:02}" for i in range(8)]
    # The first pack finds out for all the others.
    released = desk.bench.rows("SELECT * FROM attempts WHERE outcome = 'released'")
    assert len(released) == 8


def test_a_prompt_is_encoded_once_whatever_its_seeds(desk: Desk) -> None:
    for seed in range(4):
        desk.bench.insert("a", "b", seed=seed)
    assert desk.shift().poll() == 8
    assert desk.encoded == [["prompt a", "prompt b"]]
    rows = desk.bench.rows("SELECT mode, outcome, embedding, loads FROM attempts ORDER BY id")
    made = [row for row in rows if row["mode"] == "encode"]
    assert [(row["outcome"], row["embedding"]) for row in made] == [("encoded", "made")] * 2
    assert [row["loads"] for row in made] == [1, 0]


def test_the_first_pack_goes_back_without_an_attempt_that_counts(desk: Desk) -> None:
    desk.bench.insert("a", limit=1)
    desk.shift().poll()
    assert desk.tries("a") == [("full", "released"), ("encode", "encoded"), ("full", "succeeded")]


@pytest.mark.parametrize("plan", [EncoderPlacement.REMOTE, EncoderPlacement.CACHED])
def test_where_nothing_is_encoded_jobs_wait_for_somebody_else(
    desk: Desk, plan: EncoderPlacement
) -> None:
    desk.plan = plan
    desk.kept["prompt b"] = "text of prompt b"
    desk.bench.insert(*"abc")
    assert desk.shift().poll() == 1
    assert desk.bench.states() == {"a": "queued", "b": "succeeded", "c": "queued"}
    assert desk.waiting() == {"a", "c"}
    assert desk.encoded == []
    assert desk.bench.store.delivery.waiting() == {"hymo.encode.20": 2}
    # Another worker, on a larger card, encodes them; then they are sampled here.
    other = replace(desk, plan=EncoderPlacement.STAGED)
    other.bench.engine = replace(desk.bench.engine)
    other.bench.offer = replace(desk.bench.offer, modes=())
    other.shift().poll()
    assert desk.waiting() == set()
    assert desk.bench.store.delivery.waiting() == {"hymo.full.24": 2}


@pytest.mark.parametrize("there", [False, True])
def test_jobs_that_wait_for_an_encoder_nobody_has_go_on(desk: Desk, there: bool) -> None:
    numbers = desk.bench.insert(*"ab")
    desk.bench.store.encoding.park(list(numbers.values()), TextDemand(gib=20, revision="te-old"))
    if there:
        desk.bench.offer = replace(desk.bench.offer, encoders={"null": "te-old"})
        desk.bench.register()
    shift = desk.shift()
    shift.poll()
    shift.poll()
    wanted = "queued" if there else "succeeded"
    assert desk.bench.states() == {"a": wanted, "b": wanted}


def test_a_resident_encoder_encodes_the_pack_itself_and_for_others(desk: Desk) -> None:
    desk.plan = EncoderPlacement.RESIDENT
    numbers = desk.bench.insert(*"abcd")
    desk.bench.store.encoding.park([numbers["c"], numbers["d"]], DEMAND)
    assert desk.shift().poll() == 4
    assert desk.tries("a") == [("full", "succeeded")]
    assert desk.tries("c") == [("encode", "encoded"), ("full", "succeeded")]
    assert desk.loads == ["engine", "encoder"]


def test_what_is_encoded_already_is_sent_on_without_the_encoder(desk: Desk) -> None:
    numbers = desk.bench.insert(*"ab")
    desk.bench.store.encoding.park(list(numbers.values()), DEMAND)
    desk.kept |= {"prompt a": "text", "prompt b": "text"}
    assert desk.shift().poll() == 2
    assert desk.loads == ["engine"]
    assert desk.tries("a") == [("full", "succeeded")]


def test_a_text_that_vanishes_before_the_pack_waits_again(desk: Desk) -> None:
    desk.bench.insert(*"ab")
    desk.kept |= {"prompt a": "text", "prompt b": "text"}
    real = desk.get

    def get(prompt: str) -> str | None:
        if prompt == "prompt b" and not desk.encoded:
            desk.kept.pop(prompt, None)
        return real(prompt)

    desk.get = get  # type: ignore[method-assign]  # for this test alone
    assert desk.shift().poll() == 3  # b was begun twice
    assert desk.bench.states() == {"a": "succeeded", "b": "succeeded"}
    assert desk.encoded == [["prompt b"]]


def test_a_bad_text_fails_alone(desk: Desk) -> None:
    def sabotage(prompts: Sequence[str]) -> None:
        if "prompt c" in prompts:
            raise RuntimeError("poison")

    desk.sabotage = sabotage
    desk.bench.insert(*"abcd", limit=1)
    desk.shift().poll()
    states = desk.bench.states()
    assert states == {"a": "succeeded", "b": "succeeded", "c": "failed", "d": "succeeded"}
    assert "poison" in desk.bench.job("c")["error"]
    assert desk.tries("c") == [("full", "released"), ("encode", "failed")]


def test_texts_that_cannot_be_kept_fail_and_say_why(desk: Desk) -> None:
    desk.problem = "/e: No space left on device"
    desk.bench.insert("a", limit=1)
    desk.shift().poll()
    assert desk.bench.states() == {"a": "failed"}
    assert "No space left on device; make room there" in desk.bench.job("a")["error"]


def test_a_resident_worker_goes_on_without_keeping_texts(desk: Desk) -> None:
    desk.plan = EncoderPlacement.RESIDENT
    desk.problem = "/e: No space left on device"
    desk.bench.insert("a", limit=1)
    desk.shift().poll()
    assert desk.bench.states() == {"a": "succeeded"}


def test_an_encoder_that_cannot_be_loaded_is_given_up_and_the_worker_goes_on(desk: Desk) -> None:
    desk.bench.offer = replace(desk.bench.offer, encoders={"null": "te-1"})
    desk.bench.worker_id = desk.bench.register()
    desk.kept["prompt b"] = "text"
    numbers = desk.bench.insert(*[f"j{i:03}" for i in range(70)], "b")
    desk.bench.store.encoding.park([numbers["j000"], numbers["j001"]], DEMAND)

    def load() -> Any:
        desk.loads.append("encoder")
        raise OSError("no such file: model.safetensors")

    desk._encoder = load  # type: ignore[method-assign]  # for this test alone
    desk.shift().poll()
    assert desk.loads.count("encoder") == 1
    assert desk.bench.job("b")["state"] == "succeeded"
    assert len(desk.waiting()) == 70
    (offer,) = [o for o in desk.bench.store.workers.offers(alive=60) if o.encoders != {}] or [None]
    assert offer is None


def test_draining_ends_before_the_next_round(desk: Desk) -> None:
    desk.bench.insert(*[f"j{i:03}" for i in range(150)])
    desk.sabotage = lambda _: desk.bench.draining.set()
    desk.shift().poll()
    assert [len(batch) for batch in desk.encoded] == [64]
    assert len(desk.waiting()) == 150 - 64
    assert {row["outcome"] for row in desk.bench.rows("SELECT * FROM attempts")} == {
        "released", "encoded",
    }  # fmt: skip


def test_a_lease_lost_while_encoding_changes_nothing(desk: Desk) -> None:
    desk.bench.insert("a")

    def lose(_prompts: Sequence[str]) -> None:
        if len(desk.encoded) == 1:
            desk.bench.clock.tick(91)
            desk.bench.store.leases.expire(backoff=lambda _: 0)

    desk.sabotage = lose
    desk.shift().poll()
    assert desk.bench.states() == {"a": "succeeded"}
    assert desk.tries("a") == [
        ("full", "released"), ("encode", "failed"), ("full", "succeeded"),
    ]  # fmt: skip


def test_texts_that_trickle_in_do_not_make_the_models_change_places(desk: Desk) -> None:
    shift = desk.shift()
    for number in range(20):
        desk.bench.insert(f"j{number:02}")
        shift.poll()
        desk.bench.clock.tick(10)
    # 20 jobs in 200 s: a turn each 30 s at the most, not one a job.
    assert desk.loads.count("encoder") <= 200 / 30 + 1
    assert desk.loads.count("encoder") >= 4


@pytest.mark.parametrize(
    ("waiting", "waited", "since", "idle", "due"),
    [
        (0, 999, 999, True, False),
        (1, 0, 30, True, True),
        (1, 0, 29, True, False),
        (64, 0, 0, True, True),
        (63, 299, 999, False, False),
        (1, 300, 999, False, True),
        (1024, 0, 0, False, True),
    ],
)
def test_turns(waiting: int, waited: float, since: float, idle: bool, due: bool) -> None:
    assert EncodingPolicy().due(waiting, waited=waited, since=since, idle=idle) is due


def test_a_pack_of_a_small_card_says_which_texts_it_lacks(desk: Desk) -> None:
    texts = PromptFeatures(store=desk, plan=EncoderPlacement.REMOTE, encoder=lambda: desk)
    desk.kept["a"] = "text"
    with pytest.raises(UnencodedError) as caught:
        texts.find(["a", "b", "a", "c", "b"])
    assert caught.value.indices == (1, 3, 4)
    assert texts.missing(["a", "b", "b"]) == ["b"]
