"""The gate: a message that Celery cannot read is dropped, and no worker dies of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

log = logging.getLogger(__name__)

#: What Celery lets escape when a message is not built as it expects.
UNREADABLE = (AttributeError, IndexError, KeyError, TypeError, ValueError)


class Gate(Consumer):
    """Celery's consumer, which trusts that whoever reaches the broker writes good messages.

    One that it trips over would end the worker unacknowledged, and then the next worker, and so on.
    """

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Celery's handler of messages, behind the gate."""
        handle = super().create_task_handler(*args, **kwargs)  # type: ignore[no-untyped-call]

        def careful(message: Any) -> None:
            try:
                handle(message)
            except UNREADABLE as error:
                log.warning("message ignored: %s: %.200s", type(error).__name__, error)
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)

        return careful
