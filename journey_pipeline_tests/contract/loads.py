"""How a stream is loaded, as its declaration says; the tests only say what, and where to.

Not here: the streams (`streams.py`), what is asked of the result (`pipeline.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.transport.retry import Timeouts
from journey_pipeline.vendors.source import Source, Stream


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded.

    Attributes:
        lake: Where it goes.
        windows: The partitions.
        clock: The present, the vendor's and ours.
        settings: Tolerance and limits.
        timeouts: How long to wait for the vendor.
        again: Whether what has landed is asked for again.
    """

    lake: Lake
    windows: tuple[Window, ...]
    clock: SandboxClock
    settings: LoadSettings = field(default_factory=LoadSettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    again: bool = True

    @property
    def kept_since(self) -> datetime | None:
        """What has landed since then is not asked for again."""
        return None if self.again else datetime.min.replace(tzinfo=UTC)


Load: TypeAlias = Callable[[Order], Iterable[PartitionOutcome]]
OpenSource: TypeAlias = Callable[[Timeouts], Source]
OpenExportSource: TypeAlias = Callable[[Timeouts], Source]

SHORTEST_NAP = timedelta(seconds=1)
# Exports may take longer than any wait that a vendor asks for here, and few looks at them are enough.
SELDOM = timedelta(minutes=30)
POLICY = ExportPolicy(
    overdue_after=timedelta(minutes=65),
    polling=Backoff(longest=SELDOM),
    refusal=Backoff(shortest=timedelta(seconds=30), longest=SELDOM),
)


def windowed(stream: Stream, open_source: OpenSource) -> Load:
    """The way of a stream that answers a window at once."""

    def load(order: Order) -> Iterable[PartitionOutcome]:
        return LoadAtOnce(
            lake=order.lake,
            stream=stream,
            windows=order.windows,
            settings=order.settings,
            open=lambda: open_source(order.timeouts),
            kept_since=order.kept_since,
            now=order.clock.now,
        ).outcomes()

    return load


def exported(stream: Stream, open_source: OpenExportSource, policy: ExportPolicy = POLICY) -> Load:
    """The way of a stream whose exports are ordered, polled and collected; what it waits for passes on the clock."""

    def load(order: Order) -> Iterable[PartitionOutcome]:
        ledger = open_ledger(f"sqlite:///{order.lake.home / 'exports.db'}")
        queue = Queue(stream.key.connection, ledger, policy, order.clock.now)

        def open_exports() -> Exports:
            return Exports(queue, {stream.key.stream: open_source(order.timeouts)})

        def nap(_: float) -> None:
            now = order.clock.now()
            order.clock.set(max(queue.next_due_at() or now, now + SHORTEST_NAP))

        return LoadOrdered(
            lake=order.lake,
            stream=stream,
            windows=order.windows,
            settings=order.settings,
            open=open_exports,
            kept_since=order.kept_since,
            nap=nap,
            now=order.clock.now,
        ).outcomes()

    return load
