"""Avoidance: a retry is left to other devices than the one that failed it, if one can take it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, or_, select

from jobs.domain.routing import Demand, Offer, fits
from jobs.domain.states import OF_JOB, State
from jobs.domain.workers import device_key
from jobs.store.base import Found
from jobs.store.offers import LIVE, to_offer
from jobs.store.queue.endings import Ending, text_demand
from jobs.store.tables import workers


def retried(ending: Ending) -> bool:
    """Whether the job is tried again after a failure that is not clearly its own."""
    failure = ending.failure
    return ending.state is State.QUEUED and failure is not None and failure not in OF_JOB


def avoiding(
    connection: Connection,
    endings: Sequence[Ending],
    *,
    since: float,
    when: Callable[[Ending], bool] = retried,
) -> list[Ending]:
    """The endings; those with a retry avoid the device of the attempt if another one can take it.

    The other worker must be live, fit the job and not be paused.

    Args:
        connection: the transaction that ends the attempts.
        endings: of running jobs.
        since: workers not seen since then are not live.
        when: selects the endings that avoid the device.
    """
    if not any(map(when, endings)):
        return list(endings)
    own = {ending.held.worker_id for ending in endings}
    live = and_(workers.c.state == LIVE, workers.c.seen_at >= since)
    rows = connection.execute(select(workers).where(or_(live, workers.c.id.in_(own)))).all()
    devices = {row.id: device_key(row.host, row.device, row.uuid) for row in rows}
    offers = [
        (devices[row.id], to_offer(row))
        for row in rows
        if row.state == LIVE and row.seen_at >= since
    ]
    return [
        replace(ending, avoid=devices[ending.held.worker_id])
        if when(ending) and _elsewhere(ending.held, devices, offers)
        else ending
        for ending in endings
    ]


def _elsewhere(held: Found, devices: dict[int, str], offers: Sequence[tuple[str, Offer]]) -> bool:
    """Whether a worker on another device can take the job now."""
    wanted = Demand(
        model=held.model,
        mode=held.mode,
        gib=held.class_gib,
        frames=held.frames,
        revision=held.revision,
        text=text_demand(held),
    )
    return any(
        device != devices[held.worker_id]
        and fits(wanted, offer)
        and not any(
            pause.covers(
                model=held.model, mode=held.mode, batch="", output="", text=wanted.text is not None
            )
            for pause in offer.pauses
        )
        for device, offer in offers
    )
