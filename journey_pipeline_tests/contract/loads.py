"""How a stream is loaded, as its declaration says; the tests only say what, and where to.

Not here: the streams (`streams.py`), what is asked of the result (`pipeline.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.backfill import Backfill
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Window
from journey_pipeline.transport.timeouts import Timeouts
from journey_pipeline.vendors.source import Stream, WindowedSource


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded.

    Attributes:
        lake: Where it goes.
        windows: The partitions.
        now: The present, the vendor's and ours.
        settings: Tolerance and limits.
        timeouts: How long to wait for the vendor.
        again: Whether what has landed is asked for again.
    """

    lake: Lake
    windows: tuple[Window, ...]
    now: datetime
    settings: LoadSettings = field(default_factory=LoadSettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    again: bool = True


Load: TypeAlias = Callable[[Order], Iterable[PartitionOutcome]]
OpenSource: TypeAlias = Callable[[Timeouts], WindowedSource]


def windowed(stream: Stream, open_source: OpenSource) -> Load:
    """The way of a stream that answers a window at once."""

    def load(order: Order) -> Iterable[PartitionOutcome]:
        return Backfill(
            lake=order.lake,
            stream=stream,
            windows=order.windows,
            settings=order.settings,
            open_source=lambda: open_source(order.timeouts),
            kept_since=None if order.again else datetime.min.replace(tzinfo=UTC),
            now=lambda: order.now,
        ).outcomes()

    return load
