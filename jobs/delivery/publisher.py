"""Publish one message per job, in Redis pipelines."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from jobs.delivery.broker import redis_client, unreachable
from jobs.delivery.message import envelope
from jobs.errors import UnreachableError
from jobs.settings import Settings

#: Messages per pipeline: enough to hide the round trip, few enough to use little memory.
CHUNK = 1000


class Publisher:
    """Publishes job messages to their queues on the settings' broker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Redis | None = None
        # A random token and a counter make every delivery tag unique.
        self._token = uuid.uuid4().hex
        self._count = 0

    def publish(self, messages: Iterable[tuple[int, str]]) -> int:
        """Publish (job id, queue) pairs and return how many were published.

        Raises:
            UnreachableError: the broker did not answer. Some messages may have been published;
                publishing them again is harmless, since workers ignore jobs that are not queued.
        """
        pairs = iter(messages)
        sent = 0
        while chunk := list(islice(pairs, CHUNK)):
            self._send(chunk)
            sent += len(chunk)
        return sent

    def depth(self, queues: Sequence[str]) -> dict[str, int]:
        """Number of messages in each of `queues`; raises `UnreachableError`."""
        try:
            pipe = self._redis().pipeline(transaction=False)
            for queue in queues:
                pipe.llen(queue)
            return dict(zip(queues, pipe.execute(), strict=True))
        except (RedisError, OSError) as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _redis(self) -> Redis:
        if self._client is None:
            self._client = redis_client(self._settings)
        return self._client

    def _send(self, chunk: Sequence[tuple[int, str]]) -> None:
        by_queue: dict[str, list[str]] = {}
        for job_id, queue in chunk:
            by_queue.setdefault(queue, []).append(self._message(job_id, queue))
        try:
            pipe = self._redis().pipeline(transaction=False)
            for queue, bodies in by_queue.items():
                pipe.lpush(queue, *bodies)
            pipe.execute()
        except (RedisError, OSError) as error:
            raise self._unreachable(error) from error

    def _message(self, job_id: int, queue: str) -> str:
        self._count += 1
        return json.dumps(envelope(job_id, queue, f"{self._token}-{self._count}"))

    def _unreachable(self, error: Exception) -> UnreachableError:
        mend = "jobs stay in the database; `hymo up` or a worker publishes them when it is back"
        return unreachable(self._settings, error, mend)


class Publishing(Protocol):
    """Publishes (job id, queue) messages; raises `UnreachableError`."""

    def publish(self, messages: Sequence[tuple[int, str]]) -> object: ...
