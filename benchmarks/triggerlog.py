"""What happened to jobs, written by triggers in the database and not by the program under test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, text

from benchmarks.recoveries import Recovery

#: What a job's state may change to, and whether its attempt grows by one or stays.
ALLOWED = {
    ("queued", "running"): 1,
    ("running", "queued"): 0,
    ("running", "succeeded"): 0,
    ("running", "failed"): 0,
}

_COLUMNS = "at, job_id, old_state, new_state, old_attempt, attempt, worker_id, lease_until"
_TABLE = """
    CREATE TABLE campaign_log (
        id {key}, at DOUBLE PRECISION, job_id BIGINT, old_state TEXT, new_state TEXT,
        old_attempt INTEGER, attempt INTEGER, worker_id BIGINT,
        -- when the lease that ends here would have ended
        lease_until DOUBLE PRECISION
    )
"""
_MOVED = (
    "UPDATE OF state, attempt ON jobs WHEN old.state != new.state OR old.attempt != new.attempt"
)
_MOVE = """new.id, old.state, new.state, old.attempt, new.attempt,
           coalesce(new.worker_id, old.worker_id), old.lease_until"""
_SQLITE = [
    _TABLE.format(key="INTEGER PRIMARY KEY"),
    *(
        f"CREATE TRIGGER campaign_{name} AFTER {when} BEGIN INSERT INTO campaign_log ({_COLUMNS}) "  # noqa: S608 — constants
        f"VALUES ((julianday('now') - 2440587.5) * 86400.0, {values}); END"
        for name, when, values in (
            ("in", "INSERT ON jobs", "new.id, NULL, new.state, 0, new.attempt, NULL, NULL"),
            ("out", "DELETE ON jobs", "old.id, old.state, NULL, old.attempt, 0, NULL, NULL"),
            (
                "move",
                _MOVED,
                _MOVE,
            ),
        )
    ),
]
_POSTGRESQL = [
    _TABLE.format(key="BIGSERIAL PRIMARY KEY"),
    f"""
    CREATE FUNCTION campaign_note() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE now DOUBLE PRECISION := extract(epoch FROM clock_timestamp());
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO campaign_log ({_COLUMNS})
            VALUES (now, new.id, NULL, new.state, 0, new.attempt, NULL, NULL);
        ELSIF TG_OP = 'DELETE' THEN
            INSERT INTO campaign_log ({_COLUMNS})
            VALUES (now, old.id, old.state, NULL, old.attempt, 0, NULL, NULL);
        ELSIF old.state != new.state OR old.attempt != new.attempt THEN
            INSERT INTO campaign_log ({_COLUMNS})
            VALUES (now, new.id, old.state, new.state, old.attempt, new.attempt,
                    coalesce(new.worker_id, old.worker_id), old.lease_until);
        END IF;
        RETURN NULL;
    END $$
    """,  # noqa: S608 — constants
    """
    CREATE TRIGGER campaign_note AFTER INSERT OR DELETE OR UPDATE ON jobs
    FOR EACH ROW EXECUTE FUNCTION campaign_note()
    """,
]


def install(engine: Engine) -> None:
    """Create the log and its triggers."""
    with engine.begin() as connection:
        for statement in _SQLITE if engine.dialect.name == "sqlite" else _POSTGRESQL:
            connection.exec_driver_sql(statement)


@dataclass(frozen=True)
class History:
    """The log, read once.

    Attributes:
        moves: job id → its entries in order.
    """

    moves: dict[int, list[Any]]

    @classmethod
    def read(cls, engine: Engine) -> History:
        """Read the whole log."""
        moves: dict[int, list[Any]] = defaultdict(list)
        with engine.connect() as connection:
            for row in connection.execute(text("SELECT * FROM campaign_log ORDER BY id")):
                moves[row.job_id].append(row)
        return cls(dict(moves))

    def faults(self, jobs: int) -> list[str]:
        """What must never happen and did, one line each."""
        found = [] if len(self.moves) == jobs else [f"{len(self.moves)} jobs instead of {jobs}"]
        for job_id, moves in self.moves.items():
            found += [f"job {job_id}: {fault}" for fault in _faults(moves)]
        return found

    def recoveries(self, kills: Sequence[tuple[int, float]]) -> list[Recovery]:
        """How each job that a killed worker held came to run again.

        Args:
            kills: (worker id, epoch seconds by the database's clock).
        """
        found = []
        for moves in self.moves.values():
            for before, lost, again in zip(moves, moves[1:], moves[2:], strict=False):
                if (lost.old_state, lost.new_state) != ("running", "queued"):
                    continue
                found += [
                    Recovery(killed=at, leased=lost.lease_until, expired=lost.at, again=again.at)
                    for worker_id, at in kills
                    if worker_id == lost.worker_id and before.at <= at <= lost.at
                ]
        return found

    def endings(self) -> Counter[str]:
        """How many attempts ended in each state of the job."""
        every = (move.new_state for moves in self.moves.values() for move in moves)
        return Counter(state for state in every if state is not None)


def _faults(moves: Sequence[Any]) -> Iterator[str]:
    first, *rest = moves
    if (first.old_state, first.new_state, first.attempt) != (None, "queued", 0):
        yield f"began as {first.old_state} → {first.new_state}, attempt {first.attempt}"
    before = first
    for move in rest:
        step = ALLOWED.get((move.old_state, move.new_state))
        if step is None:
            yield f"went from {move.old_state} to {move.new_state}"
        elif move.attempt != move.old_attempt + step:
            yield f"attempt {move.old_attempt} became {move.attempt} with {move.new_state}"
        if move.old_state != before.new_state:
            yield f"was {before.new_state} and left {move.old_state}"
        if move.old_state == "running" and move.worker_id != before.worker_id:
            yield f"was run by worker {before.worker_id} and ended by {move.worker_id}"
        before = move
    wins = sum(move.new_state == "succeeded" for move in moves)
    if wins != 1:
        yield f"succeeded {wins} times"
