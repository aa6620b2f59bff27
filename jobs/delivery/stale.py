"""Stale messages: a worker that meets several in a row removes the others many at a time.

One message makes a worker claim packs until no job is left, so the messages of those jobs are still
in the queue afterwards, and new jobs wait behind them. Celery takes about a thousand a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from jobs.delivery.broker import redis_client
from jobs.delivery.message import LONGEST, job_of
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store.store import Store

log = logging.getLogger(__name__)

#: Messages in a row that run no job before the queues are swept.
FEW = 5
#: The same, at most, after sweeps that removed nothing: the messages are of jobs that cannot be
#: claimed now, or this user may not run scripts on the server.
MANY = 1_280
#: Messages read at a time.
PAGE = 1_000
#: Messages that are kept at the consuming end, past which a sweep does not look.
DEEP = 10_000

#: Reads a page of a queue, without messages longer than ARGV[3]: Redis stores strings of 512 MB.
_READ = """
local page = redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])
for i, message in ipairs(page) do
  if #message > tonumber(ARGV[3]) then page[i] = '' end
end
return page
"""
#: Removes messages from the last ARGV[1] of a queue and keeps the others in their order. It is
#: atomic, so that no message is lost if this process ends, and none that another worker took
#: meanwhile is searched for in the whole queue.
_REMOVE = """
local stale, kept, gone = {}, {}, 0
for i = 2, #ARGV do stale[ARGV[i]] = true end
local last = redis.call('LRANGE', KEYS[1], -tonumber(ARGV[1]), -1)
for _, message in ipairs(last) do
  if stale[message] then gone = gone + 1 else kept[#kept + 1] = message end
end
if gone > 0 then
  redis.call('LTRIM', KEYS[1], 0, -#last - 1)
  for i = 1, #kept, 1000 do
    redis.call('RPUSH', KEYS[1], unpack(kept, i, math.min(i + 999, #kept)))
  end
end
return gone
"""


class StaleMessages:
    """Removes messages whose jobs are not queued any more from a worker's queues.

    Args:
        store: tells which jobs are queued.
        settings: name the broker.
        queues: the worker's queues.
        stopping: whether to stop between two pages.
    """

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        queues: Sequence[str],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._store = store
        self._client: Redis = redis_client(settings)
        self._read = self._client.register_script(_READ)
        self._remove = self._client.register_script(_REMOVE)
        self._queues = tuple(queues)
        self._stopping = stopping
        self._in_a_row = 0
        self._limit = FEW

    def note(self, ran: int) -> None:
        """Count a message after which `ran` jobs were run; sweep after several that ran none.

        An unreachable server ends the sweep and is only logged: the messages are taken one by one.
        """
        self._in_a_row = 0 if ran else self._in_a_row + 1
        if self._in_a_row < self._limit or self._stopping():
            return
        self._in_a_row = removed = 0
        try:
            removed = self.sweep()
        except (RedisError, OSError, UnreachableError) as error:
            log.warning("stale messages not removed: %s", error)
        self._limit = FEW if removed else min(2 * self._limit, MANY)

    def sweep(self) -> int:
        """Remove the stale messages of all queues and return how many.

        What is no message of ours, or names an unknown job, is left to the consumer.

        Raises:
            RedisError, OSError: the broker failed.
            UnreachableError: the database does not answer.
        """
        removed = sum(self._sweep(queue) for queue in self._queues)
        if removed:
            log.info("%d messages of jobs that are not queued any more removed", removed)
        return removed

    def _sweep(self, queue: str) -> int:
        removed = kept = 0
        while kept < DEEP and not self._stopping():
            # Consumers take messages from the end of the list.
            page: Any = self._read(keys=[queue], args=[-kept - PAGE, -kept - 1, LONGEST])
            found = {message: job_of(message, queue) for message in page}
            named = {message: each for message, each in found.items() if isinstance(each, int)}
            stale = self._store.delivery.stale(queue, sorted(set(named.values())))
            gone = [message for message, number in named.items() if number in stale]
            if not gone:
                break
            removed += int(self._remove(keys=[queue], args=[kept + PAGE, *gone]))
            kept += len(page) - len(gone)
        return removed

    def close(self) -> None:
        """Close the connection."""
        self._client.close()
