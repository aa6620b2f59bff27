"""The store's invariants hold for any interleaving of workers, reconcilers and users."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from jobs.domain.attempts import Claim, Failed, Success, Timings
from jobs.domain.batches import NewJob
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.states import FINAL, Failure, State
from jobs.domain.workers import WorkerCard
from jobs.store.store import Store

LEASE = 30.0
SPEC = JobSpec("j", "walks", mode="full", steps=50, guidance=5.0)
ATTEMPTS = 2


class Life(RuleBasedStateMachine):
    """Random operations, compared with a model: each job's worker and last outcome."""

    url = ""

    claims: Bundle[Claim] = Bundle("claims")

    def __init__(self):
        super().__init__()
        self.time = 1_800_000_000.0
        self.store = Store.open(self.url, clock=lambda: self.time)
        self.lapses: dict[int, float] = {}  # running job → time at which its lease expires
        self.holder: dict[int, Claim] = {}  # running job → its current claim
        self.published: list[tuple[int, int]] = []
        self.seen: dict[int, int] = {}  # job → highest attempt number

    def teardown(self):
        with self.store.engine.begin() as connection:
            for table in ("artifacts", "attempts", "jobs", "batches", "workers"):
                connection.execute(text(f"DELETE FROM {table}"))
        self.store.close()

    @initialize(data=st.data())
    def fill(self, data):
        batches = [
            self.store.batches.ensure(name, source="s", output="/o") for name in ("night", "noon")
        ]
        self.ids = []
        for i in range(5):
            job = NewJob(
                replace(SPEC, custom_id=f"j{i}", priority=data.draw(st.integers(0, 1))),
                "full",
                "r1",
                data.draw(st.sampled_from([4, 8])),
            )
            batch = data.draw(st.sampled_from(batches))
            made = self.store.batches.insert(batch, [job], attempt_limit=ATTEMPTS)
            self.ids.append(made.new[0][0])
        self.batches = [batch.id for batch in batches]
        offers = [
            Offer(name, ("full",), ("tiny",), gib * GIB) for name, gib in (("a", 8), ("b", 4))
        ]
        self.workers = [
            (self.store.workers.register(WorkerCard(o, "h", 1, "cpu", "c", "f", False, ())), o)
            for o in offers
        ]

    def rows(self, query):
        with self.store.engine.connect() as connection:
            return connection.execute(text(query)).all()

    def states(self):
        return {row.id: row.state for row in self.rows("SELECT id, state FROM jobs")}

    def holds(self, claim):
        return self.holder.get(claim.job_id) == claim

    def drop(self, job_id):
        self.holder.pop(job_id, None)
        self.lapses.pop(job_id, None)

    # --- operations ---

    @rule(seconds=st.sampled_from([1.0, 10.0, 31.0]))
    def time_passes(self, seconds):
        self.time += seconds

    def expected(self, offer, after, limit, *, suspects):
        """Ids of the pack that is next among the suspects, or among the other jobs."""
        ready = [
            row
            for row in self.rows("SELECT * FROM jobs WHERE state = 'queued'")
            if row.class_gib * GIB <= offer.memory_bytes
            and row.not_before <= self.time
            and bool(row.suspect) == suspects
        ]
        if not ready:
            return []
        top = max(row.priority for row in ready)
        turns = sorted({row.batch_id for row in ready if row.priority == top})
        batch = next((each for each in turns if each > after.get(top, 0)), turns[0])

        def order(row):
            own = (row.priority, row.batch_id) == (top, batch)
            return not own, -row.priority, row.batch_id, -row.class_gib, row.id

        head = min(ready, key=order)
        pack = [row.id for row in sorted(ready, key=order) if row.class_gib <= head.class_gib]
        return pack[:limit]

    @rule(
        target=claims,
        who=st.integers(0, 1),
        limit=st.integers(1, 3),
        named=st.integers(-2, 4),
        turns=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), max_size=2),
    )
    def claim(self, who, limit, named, turns):
        number, offer = self.workers[who]
        job_id = self.ids[named] if named >= 0 else None
        after = {priority: self.batches[batch] for priority, batch in turns}
        before = self.states()
        healthy = self.expected(offer, after, limit, suspects=False)
        suspects = self.expected(offer, after, limit, suspects=True)
        taken = self.store.claims.claim(
            number, offer, job_id=job_id, limit=limit, lease=LEASE, after=after
        )
        assert len(taken) <= limit
        if job_id is not None and before[job_id] != "queued":
            assert not taken
        elif taken and taken[0].suspect:
            assert taken[0].job_id == suspects[0]
        else:
            assert [each.job_id for each in taken] == healthy
            assert taken or not suspects
        for claim in taken:
            assert before[claim.job_id] == "queued"
            assert claim.gib * GIB <= offer.memory_bytes
            # Attempt numbers are never reused.
            assert claim.attempt > self.seen.get(claim.job_id, 0)
            self.seen[claim.job_id] = claim.attempt
            self.holder[claim.job_id] = claim
            self.lapses[claim.job_id] = self.time + LEASE
        return multiple(*taken)

    @rule(claim=claims)
    def renew(self, claim):
        found = self.store.leases.renew(claim.worker_id, [claim], lease=LEASE)
        assert (found.lost == frozenset()) == self.holds(claim)
        if self.holds(claim):
            self.lapses[claim.job_id] = self.time + LEASE

    @rule(claim=claims, breaks=st.booleans())
    def succeed(self, claim, breaks):
        def publish(result):
            if breaks:
                raise OSError("no space")
            self.published.append((result.claim.job_id, result.claim.attempt))

        before = len(self.published)
        refused = self.store.completion.succeed([Success(claim, Timings(), 1, ())], publish=publish)
        assert (refused == {}) == (self.holds(claim) and not breaks)
        assert (len(self.published) > before) == (refused == {})
        if not refused:
            self.drop(claim.job_id)
            assert self.states()[claim.job_id] == "succeeded"

    @rule(claim=claims, retry=st.booleans())
    def fail(self, claim, retry):
        failed = Failed(claim, Failure.ERROR, "boom", retry=retry)
        ended = self.store.completion.fail([failed], backoff=lambda n: 5.0 * n)
        assert bool(ended) == self.holds(claim)
        if ended:
            self.drop(claim.job_id)
            assert self.states()[claim.job_id] == ended[claim.job_id]
            assert retry or ended[claim.job_id] is not State.QUEUED

    @rule(claim=claims)
    def release(self, claim):
        assert (self.store.completion.release([claim]) == frozenset()) == self.holds(claim)
        if self.holds(claim):
            self.drop(claim.job_id)

    @rule(claim=claims)
    def give_up(self, claim):
        assert (self.store.completion.cancelled([claim]) == frozenset()) == self.holds(claim)
        if self.holds(claim):
            self.drop(claim.job_id)
            assert self.states()[claim.job_id] == "cancelled"

    @rule()
    def expire(self):
        due = {job_id for job_id, until in self.lapses.items() if until < self.time}
        found = self.store.leases.expire(backoff=lambda _: 0.0)
        assert {each.job_id for each in found} == due
        for job_id in due:
            self.drop(job_id)

    @rule(index=st.integers(0, 4))
    def cancel(self, index):
        before = self.states()[self.ids[index]]
        done = self.store.control.cancel([self.ids[index]])
        assert done.stopped == (before == "queued")
        assert done.asked == (before == "running")

    @rule(index=st.integers(0, 4), force=st.booleans())
    def retry(self, index, force):
        before = self.states()[self.ids[index]]
        done = self.store.control.retry(
            [self.ids[index]], states=set(State), max_attempts=ATTEMPTS, force=force
        )
        assert done == (before in {"failed", "cancelled"} or (before == "succeeded" and force))

    # --- invariants ---

    @invariant()
    def the_rows_agree(self):
        running = self.rows("SELECT job_id, number FROM attempts WHERE outcome = 'running'")
        # At most one attempt is running, and it is the claim's.
        assert sorted((r.job_id, r.number) for r in running) == sorted(
            (c.job_id, c.attempt) for c in self.holder.values()
        )
        for row in self.rows("SELECT * FROM jobs"):
            assert (row.state == "running") == (row.id in self.holder)
            assert (row.lease_until is not None) == (row.state == "running")
            assert (row.finished_at is not None) == (State(row.state) in FINAL)
            assert (row.state == "failed") == (row.failure is not None and row.state != "queued")
            assert row.attempt <= row.attempt_limit
            if row.state == "running":
                assert row.lease_until == self.lapses[row.id]
                assert row.worker_id == self.holder[row.id].worker_id
            else:
                assert not row.cancel_requested
            if row.state == "queued":
                # Every queued job can be claimed at some time.
                assert row.attempt < row.attempt_limit

    @invariant()
    def every_attempt_has_its_row(self):
        counts = {
            row.id: (row.attempt, row.n)
            for row in self.rows(
                "SELECT j.id, j.attempt, count(a.id) AS n FROM jobs j"
                " LEFT JOIN attempts a ON a.job_id = j.id GROUP BY j.id, j.attempt"
            )
        }
        assert all(attempt == n for attempt, n in counts.values())
        succeeded = self.rows("SELECT job_id, number FROM attempts WHERE outcome = 'succeeded'")
        # Files were placed once per success, and never otherwise.
        assert sorted((r.job_id, r.number) for r in succeeded) == sorted(self.published)


def test_any_interleaving(database_url):
    examples = 60 if database_url.startswith("sqlite") else 20
    run_state_machine_as_test(
        type("Here", (Life,), {"url": database_url}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
