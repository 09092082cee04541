"""Attempts and the landing manifest: how a vendor's answer becomes part of a partition, and never leaves it.

An attempt's folder counts once the manifest names it; until then it is a leftover. Not here: downloading into it
(`transport/`, `loading/`), removing leftovers (`sweep.py`), making events of it (`normalize/run.py`).
"""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.errors import LakeError
from journey_pipeline.files import LANDING_LOCK, exclusive, flush_dir, flush_file
from journey_pipeline.lake.layout import Lake, selection_at
from journey_pipeline.lake.manifest import DAMAGED, Attempt, LandingManifest, Note
from journey_pipeline.model import Granularity, StreamKey, Window, is_partition, partition_window

NOTE = "attempt.json"

_STAMP = "%Y%m%dT%H%M%S%f"
_NAME = re.compile(r"(\d{8}T\d{12})Z-[0-9a-f]{8}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """Where one answer is written before it counts."""

    path: Path

    @property
    def name(self) -> str:
        """The attempt's name: a UTC time and a random suffix, so that names sort by time."""
        return self.path.name

    def part(self, number: int, extension: str) -> Path:
        """The path of one part, such as `part-0.csv.gz`."""
        return self.path / f"part-{number}.{extension}"

    def discard(self) -> None:
        """Removes what was written there, if anything was."""
        shutil.rmtree(self.path, ignore_errors=True)


def is_attempt(path: Path) -> bool:
    """Whether a path is an attempt's folder, by its name; what people put beside them is theirs."""
    return _NAME.fullmatch(path.name) is not None and path.is_dir()


def has_attempt_since(partition: Path, since: datetime) -> bool:
    """Whether an attempt in a partition's folder is of a time or later, by names alone: nothing is read."""
    first = f"{since.astimezone(UTC):{_STAMP}}"
    return any(path.name >= first and _NAME.fullmatch(path.name) for path in partition.iterdir())


def answers(lake: Lake, stream: StreamKey) -> Iterator[tuple[Window, datetime]]:
    """Each answer that is here: the partition it was asked for, and when; by names alone, in no order."""
    for folder in lake.landing_root(stream).glob("*"):
        if is_partition(folder.name):
            window = partition_window(folder.name)
            yield from ((window, at) for at in _times(folder.glob("*")))


def landed_last(lake: Lake, stream: StreamKey, partition: str) -> datetime | None:
    """When the newest answer for a partition was complete; None if it has no answer of its own.

    Where no manifest can be read it is when the newest answer was asked for.
    """
    with suppress(LakeError):  # reported when its events are needed
        if (landing := read_landing(lake, stream, partition)) and landing.attempts:
            return max(attempt.landed_at for attempt in landing.attempts)
    return max(_times(lake.landing_dir(stream, partition).glob("*")), default=None)


def _times(folders: Iterable[Path]) -> Iterator[datetime]:
    names = (_NAME.fullmatch(folder.name) for folder in folders)
    return (datetime.strptime(f"{name[1]}+0000", f"{_STAMP}%z") for name in names if name)


def name_attempt(lake: Lake, stream: StreamKey, window: Window, now: datetime) -> AttemptFolder:
    """The folder of a new attempt. It is made with its first file, because the answer may be empty.

    Its name sorts behind those of the partition's other attempts, for days behind all of the stream's, whatever the
    clock says.
    """
    folder = lake.landing_dir(stream, window.partition)
    # Answers for days overlap, and of two that tell of the same event the newest one wins, whichever day it is of.
    near = folder.parent.glob("*/*") if window.duration >= Granularity.DAY.duration else folder.glob("*")
    newest = max(_times(near), default=None)
    # Where the clock was set back, the answer is the newest all the same.
    at = now if newest is None else max(now, newest + timedelta(microseconds=1))
    return AttemptFolder(folder / f"{at.astimezone(UTC):{_STAMP}}Z-{uuid.uuid4().hex[:8]}")


def read_landing(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest | None:
    """The landing manifest of a partition, or None if it has not landed.

    Raises:
        LakeError: If it is there and can't be understood, or is another partition's.
    """
    path = lake.landing_manifest(stream, partition)
    landing = LandingManifest.read(path)
    if landing and (landing.key, landing.partition) != (stream, partition):
        raise LakeError(
            f"{path} is the manifest of {landing.key} {landing.partition}: the folder was copied from there. Move it "
            f"away, then pull the partition with `journey-pipeline backfill {selection_at(path)}`."
        )
    return landing


def last_answers(lake: Lake, stream: StreamKey) -> Mapping[str, Any]:
    """The vendor's answers beside the files when a partition last landed; empty if none can be read.

    It is asked for names that the vendor no longer lists. A restored file may have another time, and only costs names.
    """
    manifests = lake.landing_manifest(stream, "any").parent.parent.glob("*/manifest.json")
    for manifest in sorted(manifests, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            landing = LandingManifest.read(manifest)
        except LakeError:  # reported when its events are needed
            continue
        if landing and landing.attempts:
            return landing.attempts[-1].answers
    return {}


def commit_attempt(lake: Lake, stream: StreamKey, window: Window, attempt: Attempt) -> LandingManifest:
    """Adds a complete attempt to its partition's manifest and gives the manifest. What is in it already stays in it.

    The manifest is read and written under a lock, so that attempts which end at the same time are both kept.

    Raises:
        LakeError: If a file is not there or has another size than stated; the manifest is as it was.
    """
    partition = window.partition
    folder = lake.landing_dir(stream, partition)
    with exclusive(folder / LANDING_LOCK):
        _make_durable(folder / attempt.attempt, attempt)
        known = _known(lake, stream, window)
        _write_note(lake, stream, partition, attempt)
        others = [one for one in (known.attempts if known else ()) if one.attempt != attempt.attempt]
        manifest = _manifest(stream, window, [*others, attempt])
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def mark_covered(lake: Lake, stream: StreamKey, windows: Iterable[Window], *, by: Window, attempt: str) -> None:
    """Notes of partitions that another one's answer holds theirs. One that has answers of its own keeps them.

    Args:
        windows: The partitions; each must have ended when the answer that covers it was asked for.
    """
    for window in windows:
        folder = lake.landing_dir(stream, window.partition)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / LANDING_LOCK):
            known = _known(lake, stream, window)
            if known is None or not known.active:
                own = known.attempts if known else ()
                others = known.covered_in if known and known.covered_by == by.partition else ()
                cover = {"covered_by": by.partition, "covered_in": tuple(dict.fromkeys([*others, attempt]))}
                covered = _manifest(stream, window, own).model_copy(update=cover)
                covered.write(lake.landing_manifest(stream, window.partition))


def read_holder(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest | None:
    """The manifest with the answers for a partition: its own, or that of the partition that covers it; None without.

    Raises:
        LakeError: If a manifest is there and can't be understood.
    """
    landing = read_landing(lake, stream, partition)
    if landing and not landing.active and landing.covered_by:
        holder = read_landing(lake, stream, landing.covered_by)
        landing = holder if holder and holder.holds(landing) else None
    return landing if landing and landing.active else None


def lacks_attempts(lake: Lake, stream: StreamKey, partition: str) -> bool:
    """Whether answers lie in a partition's folder that landed whole and that no manifest names, as after a restore.

    Raises:
        LakeError: If the manifest is there and can't be understood.
    """
    landing = read_landing(lake, stream, partition)
    named = {one.attempt for one in landing.attempts} if landing else set()
    return any(_read_notes(lake, stream, partition, named))


def attempts_there(lake: Lake, stream: StreamKey, partition: str) -> list[Attempt]:
    """The attempts of a partition that landed whole, whether its manifest can be read and names them or not."""
    try:
        landing = read_landing(lake, stream, partition)
    except LakeError:  # who mends it says so
        landing = None
    named = list(landing.attempts) if landing else []
    return named + _read_notes(lake, stream, partition, {one.attempt for one in named})[0]


def restore_landing(lake: Lake, stream: StreamKey, window: Window) -> LandingManifest:
    """Makes a landing manifest again that can't be understood or lacks attempts, from the attempts' own notes.

    Which attempts were superseded is forgotten with a manifest that can't be understood: normalizing finds out again.

    Raises:
        LakeError: If it can't be understood and there is no note, or a note can't be understood either.
    """
    partition = window.partition
    with exclusive(lake.landing_dir(stream, partition) / LANDING_LOCK):
        manifest = _known(lake, stream, window)
        if manifest is None:
            raise LakeError(f"{stream} {partition} has no landing manifest to restore. Pull it first.")
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def mark_superseded(lake: Lake, stream: StreamKey, partition: str, names: Collection[str]) -> LandingManifest | None:
    """Marks attempts all of whose events are in a newer one; their files stay. Gives the manifest, None without any."""
    return _mark(lake, stream, partition, {name: {"superseded": True} for name in names})


def set_aside(lake: Lake, stream: StreamKey, partition: str, reasons: Mapping[str, str]) -> LandingManifest | None:
    """Marks attempts that can't be read, so that events are made of the others; their files stay.

    Attempts that were superseded count again: what superseded them may be what can't be read.

    Args:
        reasons: Why, by the attempt's name; an empty reason takes an attempt in again.
    """
    marks = {name: {"unreadable": why} for name, why in reasons.items()}
    return _mark(lake, stream, partition, marks, all_of_them={"superseded": False} if any(reasons.values()) else {})


def damaged_parts(lake: Lake, landing: LandingManifest, *, by_content: bool = False) -> dict[str, str]:
    """Damaged attempts of those from which events are made, by name: which file, and how.

    Args:
        by_content: Whether to hash each part; otherwise sizes are compared, at one `stat` a part.
    """
    folder = lake.landing_dir(landing.key, landing.partition)
    found = {one.attempt: one.damage_in(folder, by_content=by_content) for one in landing.active}
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
    folder = lake.landing_dir(stream, partition)
    damaged = {name: DAMAGED + damage for name, damage in damaged_parts(lake, landing, by_content=by_content).items()}
    put_back = [
        one.attempt
        for one in landing.set_aside
        if one.unreadable.startswith(DAMAGED) and not one.damage_in(folder, by_content=True)
    ]
    for name, reason in damaged.items():
        log.warning("%s %s: the answer %s is set aside: %s", stream, partition, name, reason)
    for name in put_back:
        log.warning("%s %s: the answer %s is whole again, and counts again", stream, partition, name)
    if damaged or put_back:
        set_aside(lake, stream, partition, {**damaged, **dict.fromkeys(put_back, "")})
    return damaged


def _mark(
    lake: Lake,
    stream: StreamKey,
    partition: str,
    marks: Mapping[str, Mapping[str, Any]],
    all_of_them: Mapping[str, Any] | None = None,
) -> LandingManifest | None:
    with exclusive(lake.landing_dir(stream, partition) / LANDING_LOCK):
        manifest = read_landing(lake, stream, partition)
        if manifest is None:
            return None
        attempts = tuple(
            one.model_copy(update={**(all_of_them or {}), **marks.get(one.attempt, {})}) for one in manifest.attempts
        )
        for before, after in zip(manifest.attempts, attempts, strict=True):
            if before.unreadable != after.unreadable:
                _write_note(lake, stream, partition, after)
        manifest = manifest.model_copy(update={"attempts": attempts})
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def _known(lake: Lake, stream: StreamKey, window: Window) -> LandingManifest | None:
    """The manifest with every attempt that carries its own notes, even if it is damaged or older than they are."""
    partition, folder = window.partition, lake.landing_dir(stream, window.partition)
    damage: LakeError | None = None
    try:
        manifest = read_landing(lake, stream, partition)
    except LakeError as error:
        manifest, damage = None, error
    named = manifest.attempts if manifest else ()
    noted, unclear = _read_notes(lake, stream, partition, {one.attempt for one in named})
    if unclear and damage:
        raise LakeError(
            f"of {stream} {partition} neither the manifest nor the notes of an answer can be understood, so that its "
            f"files count no more. Restore {folder} from a backup; or move it away, and pull the partition again with "
            f"`journey-pipeline backfill {selection_at(folder / NOTE)} --again`."
        ) from damage
    for unread in unclear:
        log.warning("%s %s: an answer that its manifest lacks is left where it is: %s", stream, partition, unread)
    if noted:
        names = ", ".join(one.attempt for one in noted)
        log.warning("%s %s: the manifest lacked the whole answer %s, and names it again", stream, partition, names)
        again = _manifest(stream, window, [*named, *noted])
        cover = {"covered_by": manifest.covered_by, "covered_in": manifest.covered_in} if manifest else {}
        return again.model_copy(update=cover)
    if damage and any(path.is_dir() for path in folder.iterdir()):
        raise damage
    return manifest  # one that is damaged said that another partition covers this one: nothing of its own can be lost


def _read_notes(
    lake: Lake, stream: StreamKey, partition: str, named: Collection[str]
) -> tuple[list[Attempt], list[LakeError]]:
    """The attempts in a partition's folder that landed whole and are not named, and why notes can't be understood."""
    noted, unclear = [], []
    for path in sorted(lake.landing_dir(stream, partition).glob(f"*/{NOTE}")):
        if path.parent.name in named or not is_attempt(path.parent):
            continue
        try:
            note, attempt = Note.read(path), Attempt.read(path)
        except LakeError as error:
            unclear.append(error)
            continue
        if note and attempt and note.of in {"", _of(stream, partition)} and attempt.attempt == path.parent.name:
            noted.append(attempt)
        else:
            log.warning("%s is no answer for %s %s: it is left where it is", path.parent, stream, partition)
    return noted, unclear


def _write_note(lake: Lake, stream: StreamKey, partition: str, attempt: Attempt) -> None:
    folder = lake.landing_dir(stream, partition) / attempt.attempt
    if folder.is_dir():  # of one that was deleted the manifest alone knows
        # What superseded it may not come back with it.
        note = {**attempt.model_dump(), "superseded": False, "of": _of(stream, partition)}
        Note.model_validate(note).write(folder / NOTE)


def _of(stream: StreamKey, partition: str) -> str:
    return f"{stream} {partition}"


def _manifest(stream: StreamKey, window: Window, attempts: Iterable[Attempt]) -> LandingManifest:
    return LandingManifest(
        vendor=stream.vendor,
        connection=stream.connection,
        stream=stream.stream,
        partition=window.partition,
        window=str(window),
        attempts=tuple(sorted(attempts, key=lambda one: one.attempt)),
    )


def _make_durable(folder: Path, attempt: Attempt) -> None:
    for file in attempt.files:
        path = folder / file.name
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            size = None
        if size != file.bytes:
            found = "is not there" if size is None else f"has {size} bytes"
            raise LakeError(
                f"the attempt {attempt.attempt} can't be added to its partition: {path} {found}, and "
                f"{file.bytes} bytes were downloaded. Nothing was added; pull the partition again."
            )
        flush_file(path)
    folder.mkdir(parents=True, exist_ok=True)
    flush_dir(folder)
    flush_dir(folder.parent)
