"""Marks: the manifests of partitions that lie in another one's answer. Lacking ones are made again.

Not here: when to look (`loading/plan.py`), making a mark when an answer lands (`landing.py`), leftovers of crashes
(`sweep.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime

from journey_pipeline.errors import LakeError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.landing import attempts_there, has_attempt_since, mark_covered, read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest
from journey_pipeline.model import Granularity, StreamKey, Window, is_partition, partition_window

log = logging.getLogger(__name__)

Lacking = Mapping[str, list[tuple[str, str]]]


def lacking_marks(
    lake: Lake, stream: StreamKey, *, most: int | None = None, onward: bool = False, since: datetime | None = None
) -> Lacking:
    """Partitions that readable answers of others hold, that have none of their own, and whose mark is lacking.

    Args:
        most: How many partitions an answer may hold; no landing is looked at where it is one.
        onward: Whether every answer holds all later partitions that had ended when it was asked for. It counts where
            neither the notes of an earlier version nor its events say which ones.
        since: Only partitions with an answer of this time or later are read; None reads all. An answer holds no
            partition that ended after it was asked for.

    Returns:
        The answers that hold each partition, oldest first: the attempt, and the partition where it lies.
    """
    if most == 1:
        return {}  # to look at each landing takes as long as they are many
    told: dict[str, list[tuple[str, str]]] = {}
    for folder in lake.landing_dir(stream, "any").parent.glob("*"):
        if folder.is_dir() and (since is None or has_attempt_since(folder, since)) and is_partition(folder.name):
            for attempt, covers in _told(lake, stream, folder.name, onward=onward):
                for partition in covers:
                    told.setdefault(partition, []).append((attempt.attempt, folder.name))
    return {partition: sorted(told[partition]) for partition in sorted(told) if _lacks_mark(lake, stream, partition)}


def restore_marks(
    lake: Lake, stream: StreamKey, say: Callable[[str], None] = log.warning, *, lacking: Lacking | None = None
) -> list[str]:
    """Makes lacking marks of a stream again and gives their partitions. A mark that is there is never changed.

    Args:
        say: Is told of each one that could not be made, and why.
        lacking: What `lacking_marks` found; it is looked for if None.
    """
    marked = []
    for partition, held_by in (lacking_marks(lake, stream) if lacking is None else lacking).items():
        try:
            with naming_disk_troubles(f"mending the manifest of {stream} {partition}", lake.home):
                _restore_mark(lake, stream, partition, held_by)
        except LakeError as error:
            say(f"{stream} {partition}: {error}")
        else:
            marked.append(partition)
    return marked


def _restore_mark(lake: Lake, stream: StreamKey, partition: str, held_by: Iterable[tuple[str, str]]) -> None:
    for attempt, holder in held_by:
        mark_covered(lake, stream, [partition_window(partition)], by=partition_window(holder), attempt=attempt)
    log.warning(
        "%s %s: its manifest was missing and is made again; another answer holds the partition", stream, partition
    )


def _lacks_mark(lake: Lake, stream: StreamKey, partition: str) -> bool:
    with suppress(LakeError):  # one that is damaged is no better than none
        if read_landing(lake, stream, partition):
            return False
    return all(attempt.unreadable for attempt in attempts_there(lake, stream, partition))


def _told(lake: Lake, stream: StreamKey, partition: str, *, onward: bool) -> Iterator[tuple[Attempt, Iterable[str]]]:
    """The answers of a partition that can be read, and which other partitions each one holds."""
    attempts = [attempt for attempt in attempts_there(lake, stream, partition) if not attempt.unreadable]
    unsaid = [attempt for attempt in attempts if attempt.covers is None]
    older = _told_earlier(lake, stream, partition, unsaid, onward=onward)
    for attempt in attempts:
        covers = older[attempt.attempt] if attempt.covers is None else attempt.covers
        yield attempt, [name for name in covers if name != partition and is_partition(name)]


def _told_earlier(
    lake: Lake, stream: StreamKey, partition: str, attempts: Iterable[Attempt], *, onward: bool
) -> Mapping[str, Iterable[str]]:
    """The partitions held by answers whose notes are of an earlier version.

    All of a longer window; else what their events say; without events, onward, all that had ended when they were asked
    for.
    """
    own = partition_window(partition)
    granularity = next(one for one in Granularity if one.duration == own.duration)
    asked = {attempt.attempt: _asked(attempt, own) for attempt in attempts}
    if not all(window == own for window in asked.values()):
        return {name: [one.partition for one in window.partitions(granularity)] for name, window in asked.items()}
    events = None
    if asked:
        with suppress(LakeError):  # reported when its events are needed
            events = EventsManifest.read(lake.events_manifest(stream, partition))
    covers = [partition_window(name) for name in events.covers if is_partition(name)] if events else []
    if onward and events is None:
        last = max((attempt.started_at for attempt in attempts), default=own.end)
        covers = Window(own.start, max(own.end, last)).partitions(granularity)
    return {attempt.attempt: [one.partition for one in covers if one.end <= attempt.started_at] for attempt in attempts}


def _asked(attempt: Attempt, own: Window) -> Window:
    """All that the files of an answer were asked for, and its partition."""
    spans = [file.window.split("/") for file in attempt.files if file.window]
    times = [datetime.fromisoformat(time) for span in spans for time in span]
    return Window(min([own.start, *times]), max([own.end, *times]))
