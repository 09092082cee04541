"""Checks of a stream's orders, where the vendor calls back: claims that read true when green, judged from the ledger.

Not here: whether an export needs a person (`exports/turns.py`), checks of what has landed (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from journey_pipeline.exports.export import Export, State
from journey_pipeline.exports.queue import Queue
from journey_pipeline.exports.turns import accepted
from journey_pipeline.loading.claims import Claim, Severity
from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.vendors.source import Stream

CALL_IS_LATE, CALL_IS_MISSING = timedelta(hours=6), timedelta(hours=20)
LINK_IS_OLD, LINK_ENDS_SOON = timedelta(hours=12), timedelta(hours=20)

_Judge = Callable[[Queue, Stream, Sequence[Export]], tuple[bool, Severity, str]]


def order_claims(stream: Stream, queue: Queue) -> list[Claim]:
    """The claims about a stream's orders that it names."""
    mine = [export for export in queue.under_way() if export.key == stream.key]
    judged = {name: ORDER_CLAIMS[name][1](queue, stream, mine) for name in stream.order_claims}
    return [Claim(name, holds, severity, says) for name, (holds, severity, says) in judged.items()]


def _call_came(queue: Queue, stream: Stream, under_way: Sequence[Export]) -> tuple[bool, Severity, str]:
    waits = [(export, export.requested_at) for export in under_way if export.state is State.PENDING]
    how = "the vendor has not called. Is the hook reachable from outside? `journey-pipeline doctor` asks it"
    return _in_time(queue.now(), waits, (CALL_IS_LATE, CALL_IS_MISSING), f"{how} ({stream.key.connection})")


def _link_was_fetched_in_time(queue: Queue, stream: Stream, under_way: Sequence[Export]) -> tuple[bool, Severity, str]:
    del stream
    waits = [(export, export.ready_at) for export in under_way if export.state is State.READY]
    how = "its link has come, and its file is not here. Links live 24 hours: see the export's error"
    return _in_time(queue.now(), waits, (LINK_IS_OLD, LINK_ENDS_SOON), how)


def _days_request_was_used(queue: Queue, stream: Stream, under_way: Sequence[Export]) -> tuple[bool, Severity, str]:
    del under_way
    today = floor(queue.now(), Granularity.DAY)
    day = Window(today - Granularity.DAY.duration, today)
    taken, is_due = accepted(queue.ledger, stream.key.connection, day)
    says = f"{taken} orders were taken on {day.start:%Y-%m-%d}"
    if is_due and not taken:
        says += ": a day without one is lost. `journey-pipeline exports --all` shows what came back"
    return bool(taken) or not is_due, Severity.WARN, says


def _in_time(
    now: datetime, waits: Sequence[tuple[Export, datetime | None]], limits: tuple[timedelta, timedelta], how: str
) -> tuple[bool, Severity, str]:
    late = [(export, now - since) for export, since in waits if since and now - since >= limits[0]]
    if not late:
        return True, Severity.WARN, f"{len(waits)} exports wait, none for too long"
    oldest, waited = max(late, key=lambda one: one[1])
    severity = Severity.ERROR if waited >= limits[1] else Severity.WARN
    return False, severity, f"{oldest} waits for {waited // timedelta(hours=1)} hours: {how}"


ORDER_CLAIMS: Mapping[str, tuple[str, _Judge]] = {
    "call_came": ("The vendor has called for each order within six hours.", _call_came),
    "link_was_fetched_in_time": ("The file of each link is here within twelve hours.", _link_was_fetched_in_time),
    "days_request_was_used": ("Yesterday's request was used.", _days_request_was_used),
}
