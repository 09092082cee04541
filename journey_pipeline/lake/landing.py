"""Attempts and the landing manifest: how a vendor's answer becomes part of a partition, and never leaves it.

An attempt's folder counts once the manifest names it; until then it is a leftover. Not here: downloading into it
(`transport/`, `loading/`), removing leftovers (`sweep.py`), making events of it (`normalize.py`).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.atomic import flush_dir, flush_file
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.locking import LANDING_LOCK, exclusive
from journey_pipeline.lake.manifest import Attempt, LandingManifest
from journey_pipeline.model import StreamKey, Window

# What the manifest says of an attempt, once more beside its files: a manifest that is damaged is made again from these.
NOTE = "attempt.json"


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """Where one answer is written before it counts.

    Attributes:
        path: The folder.
    """

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


def name_attempt(lake: Lake, stream: StreamKey, window: Window, now: datetime) -> AttemptFolder:
    """The folder of a new attempt of which nobody knows yet whether anything comes; it is made with its first file.

    Args:
        lake: Where it lands.
        stream: What is asked for.
        window: The partition's whole window.
        now: The time that the attempt is named after, aware.
    """
    name = f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}Z-{uuid.uuid4().hex[:8]}"
    return AttemptFolder(lake.landing_dir(stream, window.partition) / name)


def begin_attempt(lake: Lake, stream: StreamKey, window: Window, now: datetime) -> AttemptFolder:
    """Makes the empty folder of a new attempt; its arguments are those of `name_attempt`."""
    folder = name_attempt(lake, stream, window, now)
    folder.path.mkdir(parents=True)
    return folder


def read_landing(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest | None:
    """The landing manifest of a partition, or None if it has not landed.

    Raises:
        LakeError: If it is there and can't be understood.
    """
    return LandingManifest.read(lake.landing_manifest(stream, partition))


def last_answers(lake: Lake, stream: StreamKey) -> Mapping[str, Any]:
    """What else the vendor said when a partition of a stream landed last; nothing where nothing can be read.

    It is asked for names that the vendor no longer lists. A restored file may have another time, and only costs names.
    """
    manifests = lake.landing_manifest(stream, "any").parent.parent.glob("*/manifest.json")
    for manifest in sorted(manifests, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            landing = LandingManifest.read(manifest)
        except LakeError:  # whoever needs its events says so
            continue
        if landing and landing.attempts:
            return landing.attempts[-1].answers
    return {}


def commit_attempt(lake: Lake, stream: StreamKey, window: Window, attempt: Attempt) -> LandingManifest:
    """Adds a complete attempt to its partition's manifest. What is in the manifest already stays in it.

    The manifest is read, added to and written under a lock: without it, of two attempts that end at the same time the
    second would write a manifest that lacks the first, and an answer that the vendor no longer gives would be lost.

    Args:
        lake: Where it landed.
        stream: What was asked for.
        window: The partition's whole window.
        attempt: What came. Its files must lie in its folder.

    Returns:
        The manifest as it is now.

    Raises:
        LakeError: If a file is not there or has another size than stated; the manifest is as it was.
    """
    partition = window.partition
    folder = lake.landing_dir(stream, partition)
    with exclusive(folder / LANDING_LOCK):
        _make_durable(folder / attempt.attempt, attempt)
        known = _read_or_noted(lake, stream, window)
        attempt.write(folder / attempt.attempt / NOTE)
        others = [one for one in (known.attempts if known else ()) if one.attempt != attempt.attempt]
        manifest = _manifest(stream, window, [*others, attempt])
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def mark_covered(lake: Lake, stream: StreamKey, windows: Iterable[Window], *, by: Window) -> None:
    """Notes of partitions that another one's landing holds theirs. One that has answers of its own keeps them.

    Args:
        lake: Where they lie.
        stream: Whose they are.
        windows: The partitions; each must have ended when the answer that covers it was asked for.
        by: The partition that landed.
    """
    for window in windows:
        folder = lake.landing_dir(stream, window.partition)
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / LANDING_LOCK):
            known = _read_or_noted(lake, stream, window)
            if known is None or not known.attempts:
                covered = _manifest(stream, window, ()).model_copy(update={"covered_by": by.partition})
                covered.write(lake.landing_manifest(stream, window.partition))


def read_holder(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest | None:
    """The manifest with the answers for a partition: its own, or that of the partition that covers it.

    Returns:
        It, or None if nothing has landed for the partition.

    Raises:
        LakeError: If a manifest is there and can't be understood.
    """
    landing = read_landing(lake, stream, partition)
    if landing and not landing.attempts and landing.covered_by:
        landing = read_landing(lake, stream, landing.covered_by)
    return landing if landing and landing.attempts else None


def restore_landing(lake: Lake, stream: StreamKey, window: Window) -> LandingManifest:
    """Makes a landing manifest that can't be understood again, from the attempts' own notes.

    Which attempts were superseded is forgotten with it: normalizing finds that out again.

    Raises:
        LakeError: If it can't be understood and there is no note, or a note can't be understood either.
    """
    partition = window.partition
    with exclusive(lake.landing_dir(stream, partition) / LANDING_LOCK):
        manifest = _read_or_noted(lake, stream, window)
        if manifest is None:
            raise LakeError(f"{stream} {partition} has no landing manifest to restore. Pull it first.")
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def mark_superseded(lake: Lake, stream: StreamKey, partition: str, names: Collection[str]) -> LandingManifest | None:
    """Marks attempts all of whose events are in a newer one; their files stay.

    Returns:
        The manifest as it is now, or None if the partition has none.
    """
    with exclusive(lake.landing_dir(stream, partition) / LANDING_LOCK):
        manifest = read_landing(lake, stream, partition)
        if manifest is None:
            return None
        attempts = tuple(
            one.model_copy(update={"superseded": True}) if one.attempt in names else one for one in manifest.attempts
        )
        manifest = manifest.model_copy(update={"attempts": attempts})
        manifest.write(lake.landing_manifest(stream, partition))
    return manifest


def _read_or_noted(lake: Lake, stream: StreamKey, window: Window) -> LandingManifest | None:
    """The manifest; from the attempts' notes where it can't be understood."""
    try:
        return read_landing(lake, stream, window.partition)
    except LakeError:
        folder = lake.landing_dir(stream, window.partition)
        attempts = [attempt for note in sorted(folder.glob(f"*/{NOTE}")) if (attempt := Attempt.read(note))]
        if not attempts:
            if any(path.is_dir() for path in folder.iterdir()):
                raise
            return None  # it said that another partition covers this one; nothing of its own can be lost
        return _manifest(stream, window, attempts)


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
