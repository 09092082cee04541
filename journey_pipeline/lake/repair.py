"""Repairs of the landing: damaged answers are set aside, and lacking marks of partitions are made again.

An answer is damaged if its parts are no longer the bytes that landed. A mark is a manifest that names the partition
whose answer holds this one. Not here: when to look (`loading/plan.py`), making a mark when an answer lands
(`landing.py`), leftovers of crashes (`sweep.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.files import naming_disk_troubles, sha256_of
from journey_pipeline.lake.landing import attempts_there, has_attempt_since, mark_covered, read_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, LandingManifest
from journey_pipeline.model import Granularity, StreamKey, Window, is_partition, partition_window

log = logging.getLogger(__name__)


def damaged_parts(lake: Lake, landing: LandingManifest, *, by_content: bool = False) -> dict[str, str]:
    """Damaged attempts of those from which events are made, by name: which file, and how.

    Args:
        by_content: Whether to hash each part; otherwise sizes are compared, at one `stat` a part.
    """
    found = {one.attempt: _damage(lake, landing, one, by_content=by_content) for one in landing.active}
    return {attempt: damage for attempt, damage in found.items() if damage}


def set_damaged_aside(lake: Lake, stream: StreamKey, partition: str, *, by_content: bool = False) -> dict[str, str]:
    """Sets the damaged attempts of a partition aside, and takes those back whose files are whole again.

    Returns:
        The attempts that were set aside now, and why.

    Raises:
        LakeError: If the landing manifest can't be understood.
    """
    landing = read_landing(lake, stream, partition)
    if landing is None:
        return {}
    damaged = {name: DAMAGED + damage for name, damage in damaged_parts(lake, landing, by_content=by_content).items()}
    put_back = [
        one.attempt
        for one in landing.set_aside
        if one.unreadable.startswith(DAMAGED) and not _damage(lake, landing, one, by_content=True)
    ]
    for name, reason in damaged.items():
        log.warning("%s %s: the answer %s is set aside: %s", stream, partition, name, reason)
    for name in put_back:
        log.warning("%s %s: the answer %s is whole again, and counts again", stream, partition, name)
    if damaged or put_back:
        set_aside(lake, stream, partition, {**damaged, **dict.fromkeys(put_back, "")})
    return damaged


def lost_answer(landing: LandingManifest | None) -> str:
    """Why a partition that has landed has no answer that can be read; empty if it has one, or never landed."""
    if landing is None or landing.active:
        return ""
    return landing.set_aside[-1].unreadable.removeprefix(DAMAGED) if landing.set_aside else ""


def _damage(lake: Lake, landing: LandingManifest, attempt: Attempt, *, by_content: bool) -> str:
    folder = lake.landing_dir(landing.key, landing.partition) / attempt.attempt
    found = (damage_of(folder / file.name, file, by_content=by_content) for file in attempt.files)
    return next(filter(None, found), "")


DAMAGED = "damaged: "
"""How the reason of an answer begins that is set aside for its bytes: it counts again once these are put back."""


def damage_of(path: Path, file: LandedFile, *, by_content: bool) -> str:
    """How a landed file differs from its manifest's entry, with its path; empty if not. `by_content` hashes it."""
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is missing"
    if size != file.bytes:
        return f"{path} has {size} of {file.bytes} bytes, other content than landed"
    if not by_content:
        return ""
    return "" if sha256_of(path) == file.sha256 else f"{path} has other content than landed"


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
