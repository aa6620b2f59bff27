"""The message of a job: what the publisher writes, and the only thing that a worker accepts.

The envelope is Celery's message protocol 2 in kombu's Redis framing. It is built here because kombu
builds only about 5 000 messages a second, and a submit of 100 000 rows needs ten times that. A test
compares it field by field with kombu's.

Whoever can write to the broker can forge messages, and Celery does what a message says: it
publishes callbacks, keeps messages with an ETA in memory, unpacks gzip. So nothing but the job's id
is taken from a message: `job_of` compares the whole envelope with the one that the publisher would
have written.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

#: The only task. Its only argument is a job id.
TASK = "hymo.take"
#: Bytes of the longest message that is read. Ours have about 1 000.
LONGEST = 4_096
#: Opening brackets of a message, at most; ours have 5. They bound the depth as well.
BRACKETS = 8
#: Keys are 64-bit in SQL; drivers raise on larger numbers.
LARGEST_ID = 2**63 - 1

_TASK_ID = re.compile(r"([1-9][0-9]{0,18})-([0-9a-f]{32}-[0-9]{1,19})")
_BODY = '[[%d], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
_REDELIVERED = "redelivered"


def envelope(job_id: int, queue: str, tag: str) -> dict[str, Any]:
    """The message of a job, as it is written to its queue in JSON.

    Args:
        job_id: the only argument of the task.
        queue: the name of the queue.
        tag: the delivery tag, different for every message.
    """
    task_id = f"{job_id}-{tag}"
    return {
        "body": base64.b64encode((_BODY % job_id).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": TASK,
            "id": task_id,
            "root_id": task_id,
            "parent_id": None,
            "group": None,
            "eta": None,
            "expires": None,
            "retries": 0,
            "timelimit": [None, None],
            "ignore_result": True,
        },
        "properties": {
            "correlation_id": task_id,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": tag,
        },
    }


def job_of(message: bytes, queue: str) -> int | str:
    """The job that a message names, or why the message is refused.

    Accepted are exactly the envelopes of this module, with the mark that kombu sets when it puts
    a message back (`redelivered`). The reason quotes nothing of the message.

    Args:
        message: any bytes.
        queue: the queue that the message was found in.
    """
    if len(message) > LONGEST:
        return f"it is longer than {LONGEST} bytes"
    if message.count(b"{") + message.count(b"[") > BRACKETS:
        return "it holds more objects and lists than HyMo writes"
    try:
        found = json.loads(message.decode())
    except ValueError:
        return "it is not JSON"
    try:
        task_id = _TASK_ID.fullmatch(found["headers"]["id"])
    except (KeyError, TypeError):
        return "it has no task id"
    if task_id is None or (job_id := int(task_id[1])) > LARGEST_ID:
        return "its task id names no job"
    wanted = envelope(job_id, queue, task_id[2])
    return job_id if found == wanted else _compare(found, wanted) or job_id


def _compare(found: Any, wanted: Any, path: str = "") -> str | None:
    """Where `found` is not `wanted`; None: it only has the mark of a message that was put back."""
    if not isinstance(wanted, dict):
        return None if found == wanted else f"its {path} is not what HyMo writes"
    if not isinstance(found, dict):
        return f"its {path} is no object"
    found = {key: each for key, each in found.items() if key != _REDELIVERED or each is not True}
    if not wanted.keys() <= found.keys():
        return f"its {path or 'envelope'} lacks fields"
    if found.keys() != wanted.keys():
        return f"its {path or 'envelope'} has fields that HyMo does not write"
    parts = (_compare(found[key], each, f"{path} {key}".strip()) for key, each in wanted.items())
    return next((part for part in parts if part is not None), None)
