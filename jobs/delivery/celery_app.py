"""The Celery application that producers and workers share.

A message contains a job id and nothing else. The settings follow measurements of celery/kombu 5.7
with Redis (docs/design.md): one slot per process, late acknowledgement, no result backend, no
countdowns. Remote control is off: whoever can write to the broker could end workers by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery


def celery_app(url: str) -> Celery:
    """The Celery application on the broker at `url` (a kombu URL, see
    `jobs.delivery.broker.kombu_url`)."""
    from celery import Celery

    from jobs.delivery.transport import GatedAMQP

    app = Celery("hymo", broker=url, set_as_current=False, amqp=GatedAMQP)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        task_store_errors_even_if_ignored=False,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # Connect again also where the server refuses a command, or Celery ends.
        broker_channel_error_retry=True,
        broker_transport_options={
            "queue_order_strategy": "priority",
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        enable_utc=True,
        timezone="UTC",
    )
    return app
