"""Encoding on a real store: which jobs wait for a text, and when texts are encoded."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch

from jobs.domain.routing import TextDemand
from tests.unit.worker.stub import Bench
from worker.encoding.policy import EncodingPolicy
from worker.encoding.runner import EncodingRunner
from worker.engine.pool import ModelPool
from worker.engine.protocol import Encoded
from worker.engine.texts import HIT, MADE, PromptFeatures
from worker.errors import DeviceFaultError
from worker.loop import WorkLoop
from worker.planning.encoder_placement import EncoderPlacement

DEMAND = TextDemand(gib=20, revision="te-1")


@dataclass
class EncodingBench:
    """A worker that encodes: its embeddings, its encoder, and a count of loads."""

    bench: Bench
    plan: EncoderPlacement = EncoderPlacement.STAGED
    kept: dict[str, str] = field(default_factory=dict)
    encoded: list[list[str]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    sabotage: Callable[[Sequence[str]], None] = lambda _: None
    policy: EncodingPolicy = field(default_factory=EncodingPolicy)

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

    def loop(self) -> WorkLoop:
        """A loop whose engine finds its texts here."""
        bench = self.bench
        pool = ModelPool(
            engines={("null", "full"): self._engine},
            encoders={"null": self._encoder},
            room={("null", "full"): bench.offer.memory_bytes},
            resident=self.plan is EncoderPlacement.RESIDENT,
            clock=bench.clock,
        )
        texts = PromptFeatures(store=self, plan=self.plan, encoder=lambda: pool.encoder("null"))
        bench.engine.texts = texts
        runner = EncodingRunner(
            model="null",
            texts=texts,
            demand=DEMAND,
            queue=bench.queue(),
            pool=pool,
            keeper=bench.keeper,
            stamp=bench.stamp,
            probes=bench.probes,
            health=bench.health,
            clock=bench.clock,
        )
        return bench.loop(pool=pool, runners=[runner], policy=self.policy)

    def _engine(self) -> Any:
        self.loads.append("engine")
        return self.bench.engine

    def _encoder(self) -> Any:
        self.loads.append("encoder")
        self.bench.clock.tick(5)
        return self

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
def encoding(bench: Bench) -> EncodingBench:
    return EncodingBench(bench)


def test_staged_everything_is_encoded_ahead_and_each_model_loaded_once(
    encoding: EncodingBench,
) -> None:
    numbers = encoding.bench.insert(*[f"j{i:02}" for i in range(40)])
    encoding.loop().on_message(numbers["j00"])
    assert set(encoding.bench.states().values()) == {"succeeded"}
    assert encoding.loads == ["encoder", "engine"]
    assert sorted(prompt for batch in encoding.encoded for prompt in batch) == [
        f"prompt j{i:02}" for i in range(40)
    ]
    assert len(encoding.encoded) == 1
    assert encoding.bench.engine.packs[0] == [f"j{i:02}" for i in range(8)]
    # The first pack finds the missing texts of all jobs.
    released = encoding.bench.rows("SELECT * FROM attempts WHERE outcome = 'released'")
    assert len(released) == 8


def test_a_prompt_is_encoded_once_whatever_its_seeds(encoding: EncodingBench) -> None:
    for seed in range(4):
        encoding.bench.insert("a", "b", seed=seed)
    assert encoding.loop().poll() == 8
    assert encoding.encoded == [["prompt a", "prompt b"]]
    rows = encoding.bench.rows("SELECT mode, outcome, embedding, loads FROM attempts ORDER BY id")
    made = [row for row in rows if row["mode"] == "encode"]
    assert [(row["outcome"], row["embedding"]) for row in made] == [("encoded", "made")] * 2
    assert [row["loads"] for row in made] == [1, 0]


def test_the_first_pack_goes_back_without_an_attempt_that_counts(encoding: EncodingBench) -> None:
    encoding.bench.insert("a", limit=1)
    encoding.loop().poll()
    assert encoding.tries("a") == [
        ("full", "released"),
        ("encode", "encoded"),
        ("full", "succeeded"),
    ]


@pytest.mark.parametrize("plan", [EncoderPlacement.REMOTE, EncoderPlacement.CACHED])
def test_where_nothing_is_encoded_jobs_wait_for_somebody_else(
    encoding: EncodingBench, plan: EncoderPlacement
) -> None:
    encoding.plan = plan
    encoding.kept["prompt b"] = "text of prompt b"
    encoding.bench.insert(*"abc")
    assert encoding.loop().poll() == 1
    assert encoding.bench.states() == {"a": "queued", "b": "succeeded", "c": "queued"}
    assert encoding.waiting() == {"a", "c"}
    assert encoding.encoded == []
    assert encoding.bench.store.delivery.waiting() == {"hymo.encode.20": 2}
    # Another worker, on a larger card, encodes them; then they are sampled here.
    other = replace(encoding, plan=EncoderPlacement.STAGED)
    other.bench.engine = replace(encoding.bench.engine)
    other.bench.offer = replace(encoding.bench.offer, modes=())
    other.loop().poll()
    assert encoding.waiting() == set()
    assert encoding.bench.store.delivery.waiting() == {"hymo.full.24": 2}


@pytest.mark.parametrize("there", [False, True])
def test_jobs_that_wait_for_an_encoder_nobody_has_go_on(
    encoding: EncodingBench, there: bool
) -> None:
    numbers = encoding.bench.insert(*"ab")
    encoding.bench.store.encoding.park(
        list(numbers.values()), TextDemand(gib=20, revision="te-old")
    )
    if there:
        encoding.bench.offer = replace(encoding.bench.offer, encoders={"null": "te-old"})
        encoding.bench.register()
    loop = encoding.loop()
    loop.poll()
    loop.poll()
    wanted = "queued" if there else "succeeded"
    assert encoding.bench.states() == {"a": wanted, "b": wanted}


def test_a_resident_encoder_encodes_the_pack_itself_and_for_others(encoding: EncodingBench) -> None:
    encoding.plan = EncoderPlacement.RESIDENT
    numbers = encoding.bench.insert(*"abcd")
    encoding.bench.store.encoding.park([numbers["c"], numbers["d"]], DEMAND)
    assert encoding.loop().poll() == 4
    assert encoding.tries("a") == [("full", "succeeded")]
    assert encoding.tries("c") == [("encode", "encoded"), ("full", "succeeded")]
    assert encoding.loads == ["engine", "encoder"]


def test_what_is_encoded_already_is_sent_on_without_the_encoder(encoding: EncodingBench) -> None:
    numbers = encoding.bench.insert(*"ab")
    encoding.bench.store.encoding.park(list(numbers.values()), DEMAND)
    encoding.kept |= {"prompt a": "text", "prompt b": "text"}
    assert encoding.loop().poll() == 2
    assert encoding.loads == ["engine"]
    assert encoding.tries("a") == [("full", "succeeded")]


def test_a_text_that_vanishes_after_it_was_found_is_sampled_all_the_same(
    encoding: EncodingBench,
) -> None:
    encoding.bench.insert(*"ab")
    encoding.kept |= {"prompt a": "text", "prompt b": "text"}

    def get(prompt: str) -> str | None:
        encoding.bench.clock.tick(3)
        return encoding.kept.pop(prompt)

    encoding.get = get  # type: ignore[method-assign]  # for this test alone
    assert encoding.loop().poll() == 2
    assert encoding.bench.states() == {"a": "succeeded", "b": "succeeded"}
    assert encoding.encoded == []
    assert encoding.tries("b") == [("full", "succeeded")]
    assert 3 <= encoding.bench.job("b")["encode_s"] < 6  # of each, not of both


def test_a_damaged_text_is_encoded_again(encoding: EncodingBench) -> None:
    """The store has an entry, which turns out to be damaged when it is read."""
    encoding.bench.insert(*"ab")
    encoding.kept |= {"prompt a": "text", "prompt b": "damaged"}

    def get(prompt: str) -> str | None:
        if encoding.kept.get(prompt) == "damaged":
            del encoding.kept[prompt]
        return encoding.kept.get(prompt)

    encoding.get = get  # type: ignore[method-assign]  # for this test alone
    assert encoding.loop().poll() == 2
    assert encoding.encoded == [["prompt b"]]
    assert encoding.tries("b") == [
        ("full", "released"),
        ("encode", "encoded"),
        ("full", "succeeded"),
    ]


def test_a_bad_text_fails_alone(encoding: EncodingBench) -> None:
    def sabotage(prompts: Sequence[str]) -> None:
        if "prompt c" in prompts:
            raise RuntimeError("poison")

    encoding.sabotage = sabotage
    encoding.bench.insert(*"abcd", limit=1)
    encoding.loop().poll()
    states = encoding.bench.states()
    assert states == {"a": "succeeded", "b": "succeeded", "c": "failed", "d": "succeeded"}
    assert "poison" in encoding.bench.job("c")["error"]
    assert encoding.tries("c") == [("full", "released"), ("encode", "failed")]


def test_a_job_sent_back_for_its_text_is_not_told_as_lost(
    encoding: EncodingBench, caplog: pytest.LogCaptureFixture
) -> None:
    """Its lease is gone because this worker ended the attempt, while its pack runs on."""
    encoding.plan = EncoderPlacement.CACHED
    encoding.kept["prompt a"] = "text"
    encoding.bench.insert("a", "b")
    loop = encoding.loop()

    def check(phase: str, _claims: Sequence[Any]) -> None:
        if phase == "step":
            encoding.bench.keeper.check(renew=True)

    encoding.bench.engine.sabotage = check
    loop.poll()
    assert encoding.tries("a") == [("full", "succeeded")]
    assert encoding.tries("b")[0] == ("full", "released")
    assert "lease was lost" not in caplog.text


def test_loading_is_booked_once_though_texts_are_halved(encoding: EncodingBench) -> None:
    def sabotage(prompts: Sequence[str]) -> None:
        if len(prompts) > 1:
            raise MemoryError

    encoding.sabotage = sabotage
    encoding.bench.insert(*"abcd")
    encoding.loop().poll()
    query = "SELECT load_s, loads FROM attempts WHERE outcome = 'encoded' ORDER BY job_id"
    rows = encoding.bench.rows(query)
    assert [(row["load_s"], row["loads"]) for row in rows] == [(5, 1), (0, 0), (0, 0), (0, 0)]


def test_each_encoded_batch_is_a_sign_of_progress(encoding: EncodingBench) -> None:
    bench = encoding.bench
    bench.insert("a")
    left = []

    def encode(prompts: Sequence[str], *, on_batch: Callable[[int, int], None]) -> list[str]:
        bench.clock.tick(bench.settings.stall + 1)
        on_batch(1, 1)
        bench.keeper.check(renew=True)
        left.append(bench.job("a")["lease_until"] - bench.clock.time)
        return ["text"]

    encoding.encode = encode  # type: ignore[method-assign,assignment]  # for this test alone
    encoding.loop().poll()
    assert left == [bench.settings.lease]


def test_texts_that_cannot_be_kept_fail_and_say_why(encoding: EncodingBench) -> None:
    encoding.problem = "/e: No space left on device"
    encoding.bench.insert("a", limit=1)
    encoding.loop().poll()
    assert encoding.bench.states() == {"a": "failed"}
    assert "No space left on device; free space there" in encoding.bench.job("a")["error"]


def test_a_resident_worker_goes_on_without_keeping_texts(encoding: EncodingBench) -> None:
    encoding.plan = EncoderPlacement.RESIDENT
    encoding.problem = "/e: No space left on device"
    encoding.bench.insert("a", limit=1)
    encoding.loop().poll()
    assert encoding.bench.states() == {"a": "succeeded"}


def test_an_encoder_that_cannot_be_loaded_is_left_out_until_it_can(
    encoding: EncodingBench,
) -> None:
    """The worker goes on with texts that are encoded, and its offer stays what it is."""
    bench = encoding.bench
    bench.offer = replace(bench.offer, encoders={"null": "te-1"})
    bench.worker_id = bench.register()
    encoding.kept["prompt b"] = "text"
    numbers = bench.insert(*[f"j{i:03}" for i in range(70)], "b")
    bench.store.encoding.park([numbers["j000"], numbers["j001"]], DEMAND)
    broken = [True]

    def load() -> Any:
        encoding.loads.append("encoder")
        if broken:
            raise OSError("no such file: model.safetensors")
        return encoding

    encoding._encoder = load  # type: ignore[method-assign]  # for this test alone
    loop = encoding.loop()
    loop.poll()
    assert encoding.loads.count("encoder") == 1
    assert bench.job("b")["state"] == "succeeded"
    assert len(encoding.waiting()) == 70
    assert [(p.scope, p.subject) for p in bench.pauses.active] == [("encoder", "null")]
    assert bench.pauses.active[0].reason == (
        "h: the text encoder of null cannot be loaded: OSError: no such file: model.safetensors"
    )
    assert bench.store.workers.offers(alive=60)[-1].encoders == {"null": "te-1"}
    bench.clock.tick(4)
    loop.poll()
    assert encoding.loads.count("encoder") == 1, "it is tried again in 5 s"
    broken.clear()
    bench.clock.tick(1)
    loop.poll()
    assert bench.pauses.active == ()
    assert set(bench.states().values()) == {"succeeded"}


def test_draining_ends_before_the_next_round(encoding: EncodingBench) -> None:
    encoding.bench.insert(*[f"j{i:03}" for i in range(150)])
    encoding.sabotage = lambda _: encoding.bench.draining.set()
    encoding.loop().poll()
    assert [len(batch) for batch in encoding.encoded] == [64]
    assert len(encoding.waiting()) == 150 - 64
    assert {row["outcome"] for row in encoding.bench.rows("SELECT * FROM attempts")} == {
        "released", "encoded",
    }  # fmt: skip


def test_a_lease_lost_while_encoding_changes_nothing(encoding: EncodingBench) -> None:
    encoding.bench.insert("a")

    def lose(_prompts: Sequence[str]) -> None:
        if len(encoding.encoded) == 1:
            encoding.bench.clock.tick(91)
            encoding.bench.store.leases.expire(backoff=lambda _: 0)

    encoding.sabotage = lose
    encoding.loop().poll()
    assert encoding.bench.states() == {"a": "succeeded"}
    assert encoding.tries("a") == [
        ("full", "released"), ("encode", "failed"), ("full", "succeeded"),
    ]  # fmt: skip


def test_texts_that_trickle_in_do_not_make_the_models_change_places(
    encoding: EncodingBench,
) -> None:
    loop = encoding.loop()
    for number in range(20):
        encoding.bench.insert(f"j{number:02}")
        loop.poll()
        encoding.bench.clock.tick(10)
    # 20 jobs in 200 s: it is loaded each 30 s at the most, not one a job.
    assert encoding.loads.count("encoder") <= 200 / 30 + 1
    assert encoding.loads.count("encoder") >= 4


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
def test_policy(waiting: int, waited: float, since: float, idle: bool, due: bool) -> None:
    assert EncodingPolicy().due(waiting, waited=waited, since=since, idle=idle) is due


def test_a_look_up_says_which_texts_there_are(encoding: EncodingBench) -> None:
    texts = PromptFeatures(store=encoding, plan=EncoderPlacement.REMOTE, encoder=lambda: encoding)
    encoding.kept["a"] = "text"
    assert texts.find(["a", "b", "a", "c", "b"]) == {"a": "text"}
    assert texts.missing(["a", "b", "b"]) == ["b"]


def test_a_resident_encoder_makes_each_missing_text_of_a_pack_once(encoding: EncodingBench) -> None:
    texts = PromptFeatures(store=encoding, plan=EncoderPlacement.RESIDENT, encoder=lambda: encoding)
    found = {"a": "text"}
    prompts = ["a", "b", "b"]
    assert texts.complete(prompts, found) == [
        Encoded("text", HIT), Encoded("text of b", MADE), Encoded("text of b", HIT)
    ]  # fmt: skip
    assert [each.source for each in texts.complete(prompts, found)] == [HIT] * 3
    assert encoding.encoded == [["b"]]


def test_a_store_of_texts_that_cannot_be_read_costs_no_attempt(encoding: EncodingBench) -> None:
    """Such as a share that has gone stale: the model is left out until it can be read."""
    encoding.plan = EncoderPlacement.CACHED
    encoding.kept = {f"prompt {name}": "text" for name in "ab"}
    bench, loop = encoding.bench, encoding.loop()
    bench.insert("a", "b")

    def stale(_prompt: str) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    encoding.get = stale  # type: ignore[method-assign]  # a share that went stale
    loop.poll()
    row = bench.job("a")
    assert (row["state"], row["attempt_limit"]) == ("queued", 4)
    assert "texts of null cannot be read: OSError: [Errno 116] Stale" in row["error"]
    assert [(p.scope, p.subject) for p in bench.pauses.active] == [("model", "null full")]
    del encoding.get  # type: ignore[method-assign]  # undone
    bench.clock.tick(5)
    loop.poll()
    assert bench.pauses.active == ()
    assert set(bench.states().values()) == {"succeeded"}


def test_encoding_waits_while_the_store_of_texts_cannot_be_read(encoding: EncodingBench) -> None:
    bench, loop = encoding.bench, encoding.loop()
    bench.insert("a")
    loop.poll()
    bench.insert("b")
    bench.store.encoding.park([2], DEMAND)

    def stale(_prompt: str) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle")

    encoding.has = stale  # type: ignore[method-assign]  # a share that went stale
    bench.clock.tick(60)
    assert loop.poll() == 0
    del encoding.has  # type: ignore[method-assign]  # undone
    bench.clock.tick(60)
    assert loop.poll() == 1


def test_a_text_that_breaks_the_device_fails_alone_in_the_end(encoding: EncodingBench) -> None:
    """Each fault restarts the worker; suspects are encoded in ever smaller rounds."""
    bench = encoding.bench

    def sabotage(prompts: Sequence[str]) -> None:
        if "prompt c" in prompts:
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    encoding.sabotage = sabotage
    bench.insert(*"abcdef")
    faults = 0
    while "queued" in bench.states().values():
        try:
            encoding.loop().poll()
        except DeviceFaultError:
            faults += 1
        bench.clock.tick(301)
    states = bench.states()
    assert states.pop("c") == "failed"
    assert set(states.values()) == {"succeeded"}
    assert faults <= 1 + 1 + 3, "once in a round, once in a smaller one, and three times alone"
    assert ("encode", "failed") not in encoding.tries("a")
