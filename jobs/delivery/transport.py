"""kombu's Redis transport behind a gate: nothing of a message but the job's id gets past it.

kombu and Celery parse what they find in Redis, and end on what they did not expect there. Whoever
can write to Redis may delay work, but must not end workers or use their memory. So a worker reads
one thing from Redis, a message at the end of one of its queues, and hands kombu an envelope that it
made itself. What kombu keeps in Redis besides is switched off, because none of it is needed: SQL
knows which jobs are running and which have lost their message.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from functools import partial
from queue import Empty
from typing import Any

import redis
from celery.app.amqp import AMQP
from kombu.connection import Connection as KombuConnection
from kombu.transport import redis as kombu_redis
from redis._parsers import _RESP2Parser
from redis._parsers.socket import SocketBuffer

from jobs.delivery.message import LONGEST, envelope, job_of
from jobs.delivery.private_socket import SCHEME, private
from jobs.delivery.refusals import EVERY, Refusals

log = logging.getLogger(__name__)

#: Seconds until the server is asked again that answered with an error.
PAUSE = 1.0


class LongReplyError(Exception):
    """A string of the reply is longer than any message of ours; it was not read."""


class ShortBuffer(SocketBuffer):
    """Reads strings that may be messages of ours. Redis stores strings of 512 MB."""

    def read(self, length: int, *args: Any, **kwargs: Any) -> bytes:
        """Read a string of `length` bytes; raises `LongReplyError`, which ends the connection."""
        if length > LONGEST:
            raise LongReplyError
        return super().read(length, *args, **kwargs)


class ShortParser(_RESP2Parser):
    """redis-py's parser on a `ShortBuffer`."""

    def on_connect(self, connection: Any) -> None:
        """Called when the socket connects."""
        super().on_connect(connection)
        size, timeout = self.socket_read_size, connection.socket_timeout
        self._buffer = ShortBuffer(connection._sock, size, timeout)  # noqa: SLF001 — as redis-py does


class GatedClient(redis.Redis):
    """A client whose pops return envelopes of ours, or nothing.

    Args:
        refusals: counts what is dropped.
    """

    def __init__(self, *args: Any, refusals: Refusals, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = refusals

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """Read a reply. kombu reads its `BRPOP` by this method, and takes None for an empty queue.

        The message is out of the queue by then: not to deliver it drops it.
        """
        try:
            reply = super().parse_response(connection, command_name, **options)
        except LongReplyError:
            self._refusals.add("one of the queues", f"it is longer than {LONGEST} bytes")
            return None
        if command_name != "BRPOP":
            return reply
        if reply is not None:
            reply = self._gated(*reply)
        self._refusals.say()
        return reply

    def _gated(self, key: bytes, message: bytes) -> tuple[bytes, bytes] | None:
        queue = key.decode()
        found = job_of(message, queue)
        if isinstance(found, str):
            self._refusals.add(queue, found)
            return None
        # Made anew, because two parsers of JSON may read two things in one message.
        return key, json.dumps(envelope(found, queue, f"{uuid.uuid4().hex}-0")).encode()


class GatedChannel(kombu_redis.Channel):
    """A channel that reads its queues by `GatedClient`, and nothing else of what Redis holds."""

    #: kombu would keep each message in hand in a hash, parse the whole hash again and again, and
    #: put back what is there. The reconciler publishes what a worker lost.
    ack_emulation = False
    #: Nor are messages in hand put back when the channel closes: their jobs go on.
    do_restore = False
    #: No tables of bindings: a queue is named by its key. No pub/sub either.
    supports_fanout = False
    #: No other keys for other priorities: the database knows the order of jobs.
    priority_steps = [0]  # noqa: RUF012 — as kombu's

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._refusals = Refusals()
        self._resume = self._due = float("-inf")
        super().__init__(*args, **kwargs)

    def _get_client(self) -> Any:
        super()._get_client()  # checks redis-py's version
        return partial(GatedClient, refusals=self._refusals)

    def _connparams(self, asynchronous: bool = False) -> Any:
        # `ShortParser` reads protocol 2, and redis-py's default may be another parser.
        params = super()._connparams(asynchronous)
        if self.connection.client.uri_prefix == SCHEME:
            params["connection_class"] = private(params["connection_class"])
        return params | {"protocol": 2, "parser_class": ShortParser}

    def _size(self, _queue: str) -> int:
        # Asked for when a queue is declared, and used by nobody; a key of another type raises.
        return 0

    def _brpop_start(self, timeout: float | None = None) -> None:
        # The event loop calls this again and again until it has sent something.
        if time.monotonic() >= self._resume:
            super()._brpop_start(timeout)

    def _brpop_read(self, **options: Any) -> Any:
        # kombu takes `Empty` for the end of a BRPOP without a message; Celery ends on other errors.
        try:
            return super()._brpop_read(**options)
        except redis.ResponseError as error:
            now = time.monotonic()
            self._resume = now + PAUSE
            if now >= self._due:
                self._due = now + EVERY
                log.warning(
                    "no messages are taken: the broker answers %.200r; asked again every %g s, "
                    "said again every %g s. WRONGTYPE: delete the key that is no list, one of %s",
                    str(error), PAUSE, EVERY, ", ".join(self.active_queues),
                )  # fmt: skip
            raise Empty from error

    def close(self) -> None:
        """Close the channel, and say what was refused."""
        self._refusals.say(now=True)
        super().close()


class Transport(kombu_redis.Transport):
    """The transport of these channels."""

    Channel = GatedChannel


class Connection(KombuConnection):
    """A connection by this transport, whatever the URL's scheme: Redis on TCP, TLS or a socket."""

    def get_transport_cls(self) -> type[Transport]:
        """The transport's class."""
        return Transport


class GatedAMQP(AMQP):
    """What makes a Celery application connect by `Connection`."""

    Connection = Connection
