"""Brings a home of an earlier version over: events files that lack columns are made again from the landing.

It goes before a warehouse that is made anew, and goes on where it was stopped. Not here: one partition's events
(`partition.py`).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.loading.landing import Progress, current_watcher
from journey_pipeline.loading.partition import LoadSettings, make_events
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.normalize.earlier_events import add_columns, find_earlier
from journey_pipeline.settings import normalizers
from journey_pipeline.vendors.source import Stream

log = logging.getLogger(__name__)

Configured = Callable[[], Mapping[StreamKey, tuple[Stream, LoadSettings]]]
"""Gives the configured streams; asked only where a home is to be brought over."""


@dataclass(slots=True)
class BroughtOver:
    """The partitions whose events lacked columns.

    Attributes:
        made: How many were made again from the landing.
        widened: Those that can't be, and why. Their events stay, without values in the new columns.
    """

    made: int = 0
    widened: dict[str, str] = field(default_factory=dict)

    @property
    def says(self) -> tuple[str, ...]:
        """What happened, for people; nothing if nothing did."""
        lines = []
        if self.made:
            lines.append(f"an earlier version made the events of {self.made:,} partitions: they were made again")
        if self.widened:
            name, why = next(iter(self.widened.items()))
            lines.append(
                f"an earlier version made the events of {len(self.widened):,} partitions that can't be made again. "
                f"They stay, without values in new columns. The first is {name}: {why}"
            )
        return tuple(lines)


def bring_over(lake: Lake, configured: Configured) -> BroughtOver:
    """Makes events again that an earlier version made, so that a warehouse of this version can take them.

    Raises:
        JourneyError: If the disk or the memory does not suffice, or the configuration can't be read.
    """
    earlier: dict[StreamKey, list[EventsManifest]] = defaultdict(list)
    for manifest in find_earlier(lake):
        earlier[manifest.key].append(manifest)
    brought = BroughtOver()
    known = configured() if earlier else {}
    for key, manifests in earlier.items():
        watcher = current_watcher()
        watcher.planned(str(key), len(manifests))
        with ThreadPoolExecutor(normalizers(), thread_name_prefix="bring-over") as pool:
            reasons = list(pool.map(partial(_bring, lake, known.get(key), watcher), manifests))
        _note(brought, manifests, reasons)
    return brought


def _bring(lake: Lake, found: tuple[Stream, LoadSettings] | None, watcher: Progress, manifest: EventsManifest) -> str:
    """Makes a partition's events again; gives the reason if it can't be done."""
    reason, settings = "its stream is not configured", LoadSettings()
    if found:
        stream, settings = found
        try:
            make_events(lake, stream, partition_window(manifest.partition), settings, always=False)
            reason = ""
        except JourneyError as error:
            log.warning("%s %s keeps the events that it has: %s", manifest.key, manifest.partition, error)
            reason = str(error)
    add_columns(lake, manifest, settings.limits)
    watcher.done(manifest.partition, manifest.events.rows, None)
    return reason


def _note(brought: BroughtOver, manifests: Sequence[EventsManifest], reasons: Sequence[str]) -> None:
    for manifest, reason in zip(manifests, reasons, strict=True):
        if reason:
            brought.widened[f"{manifest.key} {manifest.partition}"] = reason
        else:
            brought.made += 1
