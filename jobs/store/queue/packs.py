"""Packs: the search for the head of a worker's next pack, and for the jobs that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Connection, Integer, and_, bindparam, case

from jobs.domain.routing import Demand, Offer
from jobs.domain.spec import MAX_PRIORITY, URGENT
from jobs.store.base import Found
from jobs.store.queue.beginnings import TAKEABLE
from jobs.store.queue.conditions import SAMPLING, Claimant
from jobs.store.queue.lanes import ORDER, Lane, Turn, best, lanes_of
from jobs.store.queue.suspects import tries
from jobs.store.queue.turns import first_of
from jobs.store.tables import jobs

_IN_TURN = and_(
    jobs.c.priority == bindparam("priority", type_=Integer),
    jobs.c.batch_id == bindparam("batch", type_=BigInteger),
)
#: Selects and locks the jobs of a pack: its head, then those of the head's turn, then others.
_LOCKED = (
    TAKEABLE.where(SAMPLING)
    .order_by(
        case((jobs.c.id == bindparam("head", type_=BigInteger), 0), (_IN_TURN, 1), else_=2), *ORDER
    )
    .limit(bindparam("most", type_=Integer))
)


@dataclass(frozen=True)
class PackSearch:
    """Reads the lanes of an offer for one pack.

    Attributes:
        after: priority → the batch after which its batches take turns, the likeliest one last.
        lowest: the lowest priority of a head.
    """

    connection: Connection
    offer: Offer
    claimant: Claimant
    after: Mapping[int, int]
    lowest: int = -MAX_PRIORITY
    _read: dict[bool, Sequence[Lane]] = field(default_factory=dict, init=False, repr=False)

    def head(self, *, suspects: bool = False) -> Found | None:
        """The first job of the next turn: of the highest priority, of the first batch after that of
        `after` or else the first of all, of the largest class.

        Args:
            suspects: search the suspects instead of the other jobs.
        """
        lanes = self._lanes(suspects=suspects)
        if not lanes:
            return None
        *_, last = (None, *(Turn(*each) for each in self.after.items() if each[0] >= self.lowest))
        head = self._first(lanes, last, suspects=suspects)
        if head is None or (last is not None and head.priority == last.priority):
            return head
        batch_id = self.after.get(head.priority, 0)
        if head.batch_id > batch_id:
            return head
        return self._first(lanes, Turn(head.priority, batch_id), suspects=suspects)

    def choose(self, worker_id: int, *, packs: int, since: float) -> Found | None:
        """The head of a worker's next pack while suspects are queued: see `suspects.tries`."""
        healthy, suspect = self.head(), self.head(suspects=True)
        if suspect is None or healthy is None:
            return healthy or suspect
        wanted = demand(suspect)
        trying = tries(
            self.connection, worker_id, wanted, packs=packs, now=self.claimant.now, since=since
        )
        return suspect if trying else healthy

    def pack(self, head: Found, *, most: int, width: int) -> Sequence[Found]:
        """The jobs of the pack, locked: the head if it is still ready, then jobs like it.

        Args:
            most: the maximum number of jobs.
            width: the number of candidates, of which others may be locked by other workers.
        """
        among = [head.id]
        if width > 1:
            lanes = [
                each
                for each in self._lanes(suspects=head.suspect)
                if (each.model, each.mode) == (head.model, head.mode) and each.gib <= head.class_gib
            ]
            among += self._in_turn(lanes, head, width, alike=True)
        values = {
            "among": among, "head": head.id, "now": self.claimant.now, "most": most,
            "priority": head.priority, "batch": head.batch_id,
        }  # fmt: skip
        return self.connection.execute(_LOCKED, values).all()

    def upcoming(self, n: int) -> Sequence[int]:
        """The next `n` jobs that are no suspects, beginning with the next turn."""
        head = self.head()
        return () if head is None else self._in_turn(self._lanes(), head, n)

    def _in_turn(
        self, lanes: Sequence[Lane], head: Found, n: int, *, alike: bool = False
    ) -> Sequence[int]:
        """The first `n` ready jobs of these lanes: those of the head's turn, then the others.

        `alike`: only jobs that go into a pack with the head.
        """
        lowest = URGENT if alike and head.priority >= URGENT else None
        found: list[int] = []
        for turn in (Turn(head.priority, head.batch_id), None):
            query = best(
                lanes, n, claimant=self.claimant, turn=turn, head=head if alike else None,
                lowest=lowest if turn is None else None, suspects=head.suspect,
            )  # fmt: skip
            found += self.connection.scalars(*query)
            if len(found) >= n:
                break
        return list(dict.fromkeys(found))[:n]

    def _first(self, lanes: Sequence[Lane], after: Turn | None, *, suspects: bool) -> Found | None:
        query = first_of(
            lanes, claimant=self.claimant, after=after, lowest=self.lowest, suspects=suspects
        )
        return self.connection.execute(*query).one_or_none()

    def _lanes(self, *, suspects: bool = False) -> Sequence[Lane]:
        """The lanes of the offer that contain jobs, read once: others are for the next claim."""
        if suspects not in self._read:
            self._read[suspects] = lanes_of(
                self.connection, self.offer, self.claimant.reach, suspects=suspects
            )
        return self._read[suspects]


def demand(head: Found) -> Demand:
    """What a pack's head asks of a worker."""
    return Demand(
        model=head.model,
        mode=head.mode,
        gib=head.class_gib,
        frames=head.frames,
        revision=head.revision,
        urgent=head.priority >= URGENT,
    )
