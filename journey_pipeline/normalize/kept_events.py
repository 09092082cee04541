"""Events and rejects that were made of an attempt which is damaged or gone: they stay, since nothing else has them.

Not here: setting an attempt aside (`lake/landing.py`), making events of those that can be read (`run.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.events import verify_events
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.normalize.session import Session, quoted


@dataclass(frozen=True, slots=True)
class Kept:
    """Finished files with what was kept of earlier ones.

    Attributes:
        events: The events file.
        rejects: The rejects file, if there are any.
        event_rows: How many of its events come from attempts that can't be read.
        reject_rows: How many of its rejects do.
        unreadable: How many such attempts there are.
    """

    events: Path
    rejects: Path | None
    event_rows: int = 0
    reject_rows: int = 0
    unreadable: int = 0


def keep_earlier(
    session: Session,
    lake: Lake,
    landing: LandingManifest,
    unreadable: Collection[str],
    *,
    events: Path,
    rejects: Path | None,
) -> Kept:
    """Adds to new files what the files in place have of attempts that can't be read, and no other attempt has.

    Args:
        lake: Where the files in place lie.
        unreadable: The attempts that can't be read. Those that the landing no longer knows are none that can be.
        events: The new events file; it is left as it is.
        rejects: The new rejects file, if there are any.
    """
    readable = {one.attempt for one in landing.attempts}.difference(unreadable)
    if not _has_of_others(lake, landing, readable):
        return Kept(events, rejects, unreadable=len(unreadable))
    key, partition = landing.key, landing.partition
    of_them = f"split_part(landing_file, '/', 2) not in ({', '.join(quoted(name) for name in sorted(readable))})"
    with_events, kept = _keep_events(session, lake.events_file(key, partition), events, of_them)
    with_rejects, kept_rejects = _keep_rejects(session, lake.rejects_file(key, partition), rejects, of_them)
    return Kept(with_events, with_rejects, kept, kept_rejects, len(unreadable))


def _keep_events(session: Session, earlier: Path, events: Path, of_them: str) -> tuple[Path, int]:
    lacking = (
        f"from {_read(earlier)} where {of_them} "
        f"and event_key::varchar not in (select event_key::varchar from {_read(events)})"
    )
    kept = session.count(f"select count(*) {lacking}")
    if not kept:
        return events, 0
    to = session.folder / "events-kept.parquet"
    session.copy(f"select * from {_read(events)} union all by name (select * {lacking})", to)
    return to, kept


def _keep_rejects(session: Session, earlier: Path, rejects: Path | None, of_them: str) -> tuple[Path | None, int]:
    if not earlier.exists():
        return rejects, 0
    kept = session.count(f"select count(*) from {_read(earlier)} where {of_them}")
    if not kept:
        return rejects, 0
    to = session.folder / "rejects-kept.parquet"
    new = f"select * from {_read(rejects)} union all by name " if rejects else ""
    session.copy(f"{new}(select * from {_read(earlier)} where {of_them})", to)
    return to, kept


def _has_of_others(lake: Lake, landing: LandingManifest, readable: Collection[str]) -> bool:
    """Whether the files in place are sound, and have something of attempts that can't be read now."""
    try:
        manifest = EventsManifest.read(lake.events_manifest(landing.key, landing.partition))
    except LakeError:
        return False
    if manifest is None:
        return False
    has_some = set(manifest.attempts).difference(readable) or manifest.kept_events or manifest.kept_rejects
    return bool(has_some) and verify_events(lake, manifest)


def _read(file: Path) -> str:
    return f"read_parquet({quoted(str(file))}, hive_partitioning = false)"
