"""From a partition's landing to its events: every landed record becomes an event, a reject or a duplicate, provably.

Given the same landing, recipe and limits it writes the same bytes. Not here: the steps themselves (`steps.py`,
`inspection.py`, `lake/events.py`), and when to take them (`loading/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypedDict, Unpack

from journey_pipeline import __version__
from journey_pipeline.errors import JourneyError, LakeError
from journey_pipeline.files import EVENTS_LOCK, exclusive, naming_disk_troubles
from journey_pipeline.lake.events import describe_parquet, put_events, recipe_digest
from journey_pipeline.lake.landing import mark_superseded, read_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import WARNINGS, EventsManifest, LandingManifest, ParquetFile
from journey_pipeline.lake.repair import DAMAGED
from journey_pipeline.model import StreamKey, Window, partition_window
from journey_pipeline.normalize.attribute_columns import with_addresses
from journey_pipeline.normalize.deduplication import Kept, keep_earlier
from journey_pipeline.normalize.inspection import Inspection, inspect_events
from journey_pipeline.normalize.landed_file import DamagedFileError
from journey_pipeline.normalize.recipe_sql import BELIEVABLE, MASKED, read_codes
from journey_pipeline.normalize.session import NormalizeLimits, Session, session
from journey_pipeline.normalize.steps import Attributes, Made, Steps
from journey_pipeline.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Finished:
    """A partition's files, which are not in place yet, and their manifest; they go when the session ends."""

    opened: Session
    landing: LandingManifest
    manifest: EventsManifest
    events: Path
    beside: Mapping[str, Path | None]
    unreadable: Mapping[str, JourneyError]


class Extent(TypedDict, total=False):
    """How far a landing's answers reach.

    Attributes:
        inside: Where its events should lie in time; else in the partition's window. Those outside are counted.
        repeated_from: Of answers whose reach moves with their asking: the newest one should have the events from then
            on; those before have aged out and are not counted as withdrawn.
        covers: Later partitions that its answers hold too; the manifest says so.
    """

    inside: Window
    repeated_from: datetime | None
    covers: Sequence[str]


class NoneReadableError(Exception):
    """None of a partition's attempts can be read."""

    def __init__(self, landing: LandingManifest, reasons: Mapping[str, JourneyError]) -> None:
        self.landing, self.reasons = landing, reasons
        self.newest = next(reversed(tuple(reasons.values())))
        super().__init__(str(self.newest))


def normalize(
    lake: Lake,
    stream: StreamKey,
    partition: str,
    recipe: Recipe,
    limits: NormalizeLimits | None = None,
    **extent: Unpack[Extent],
) -> EventsManifest:
    """Makes a partition's events, rejects and attributes of its landing, and puts them in place.

    An attempt that can't be read is set aside with its reason, and events are made of the others; those that were made
    of it earlier are kept. One that was set aside is tried again.

    Returns:
        The manifest of the events. Its `unaccounted` says whether as many records were met as were counted while
        landing: it is not raised, so that the events that there are can be used and a check can go red.

    Raises:
        LakeError: If the partition has not landed, or none of its attempts can be read: a landed file is missing or is
            not the bytes that landed, or a record is longer than the limits allow. What was in place before stays.
        ContractError: If none can be read, the newest one since its reader can't understand it. Likewise.
    """
    try:
        with finished(lake, stream, partition, recipe, limits, **extent) as done:
            put_events(lake, done.manifest, done.events, **done.beside)
            _mark(lake, done.landing, done.manifest, done.unreadable)
    except NoneReadableError as none:
        _mark_unreadable(lake, none.landing, none.reasons)
        raise none.newest from None
    return done.manifest


@contextmanager
def finished(
    lake: Lake,
    stream: StreamKey,
    partition: str,
    recipe: Recipe,
    limits: NormalizeLimits | None = None,
    **extent: Unpack[Extent],
) -> Iterator[Finished]:
    """The files that `normalize` puts in place, for as long as the block runs; nothing of the lake changes by itself.

    Raises:
        LakeError: As `normalize`.
        NoneReadableError: If none of the attempts can be read.
    """
    limits = limits or NormalizeLimits()
    work = f"normalizing {stream} {partition}"
    with naming_disk_troubles(work, lake.home), exclusive(lake.landing_dir(stream, partition) / EVENTS_LOCK):
        landing = _landing(lake, stream, partition)
        codes = read_codes(recipe.codes, recipe.decoded)
        macros = (BELIEVABLE, MASKED, *(table.macro for table in codes))
        with session(lake, limits, work, macros=macros) as opened:
            steps = Steps(opened, lake, landing, recipe, extent.get("repeated_from"))
            made, unreadable = steps.make_of_readable()
            if not made:
                raise NoneReadableError(landing, unreadable)
            kept = keep_earlier(opened, lake, landing, unreadable, events=made.events, rejects=made.rejects)
            attributes = steps.attributes(made)
            if attributes and made.people_rows:
                kept = replace(kept, events=with_addresses(opened, kept.events, attributes.path))
            found = inspect_events(
                opened,
                kept.events,
                extent.get("inside") or partition_window(partition),
                codes,
                by_arrival=recipe.windows_of_arrival,
                filled=_filled(recipe, made),
                numbers=recipe.numbers,
                turns_alternate=recipe.turns_alternate,
            )
            manifest = _manifest(landing, recipe, made, found, attributes, kept=kept, covers=extent.get("covers", ()))
            beside = {
                "rejects": kept.rejects,
                "attributes": attributes.path if attributes else None,
                "populations": made.people.populations,
            }
            yield Finished(opened, landing, manifest, kept.events, beside, unreadable)


def _mark(
    lake: Lake, landing: LandingManifest, manifest: EventsManifest, unreadable: Mapping[str, JourneyError]
) -> None:
    """Notes in the landing's manifest what was found of its attempts."""
    _mark_unreadable(lake, landing, unreadable)
    tried = {one.attempt for one in (landing.attempts if unreadable else landing.candidates)}
    if superseded := tried - set(manifest.attempts) - set(unreadable):
        mark_superseded(lake, landing.key, landing.partition, superseded)


def _mark_unreadable(lake: Lake, landing: LandingManifest, unreadable: Mapping[str, JourneyError]) -> None:
    """Sets attempts aside that can't be read, and takes those in again that can; the first reason stays."""
    changed = {
        one.attempt: _reason(unreadable.get(one.attempt))
        for one in landing.attempts
        if bool(one.unreadable) != (one.attempt in unreadable)
    }
    if changed:
        set_aside(lake, landing.key, landing.partition, changed)


def _reason(why: JourneyError | None) -> str:
    return DAMAGED + why.damage if isinstance(why, DamagedFileError) else str(why or "")


def _landing(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest:
    landing = read_landing(lake, stream, partition)
    if landing is None or not landing.candidates:
        where = f"it is in {landing.covered_by}: normalize that" if landing and landing.covered_by else "pull it first"
        raise LakeError(f"{stream} {partition} has no landing of its own; {where}.")
    return landing


def _manifest(
    landing: LandingManifest,
    recipe: Recipe,
    made: Made,
    found: Inspection,
    attributes: Attributes | None,
    *,
    kept: Kept,
    covers: Sequence[str],
) -> EventsManifest:
    counts, newest = made.counts, made.attempts[-1]
    landed = sum(source.rows for source in made.sources) + made.people_rows
    reject_rows = made.reject_rows + kept.reject_rows
    rejects: ParquetFile | None = describe_parquet(kept.rejects, reject_rows) if kept.rejects else None
    return EventsManifest(
        vendor=landing.vendor,
        connection=landing.connection,
        stream=landing.stream,
        partition=landing.partition,
        window=str(partition_window(landing.partition)),
        attempts=tuple(attempt.attempt for attempt in made.attempts),
        recipe=recipe_digest(recipe),
        package_version=__version__,
        landed_at=made.people.exported_at or newest.landed_at,
        events=describe_parquet(kept.events, counts.events + kept.event_rows),
        kept_events=kept.event_rows,
        kept_rejects=kept.reject_rows,
        unreadable_attempts=kept.unreadable,
        rejects=rejects,
        attributes=describe_parquet(attributes.path, attributes.rows) if attributes else None,
        populations=(
            describe_parquet(made.people.populations, made.people.members) if made.people.populations else None
        ),
        people=made.people.people + made.people_rows,
        masked=made.people.masked,
        landed=landed,
        duplicates=counts.typed - counts.events - made.people.people,
        unaccounted=landed - made.people_rows - counts.typed - made.reject_rows,
        withdrawn=counts.withdrawn,
        conflicts=counts.conflicts,
        rejects_of_newest=made.rejects_of_newest,
        lacking=found.lacking,
        received_early=found.received_early,
        longest_early_s=found.longest_early_s,
        one_contact=found.one_contact and "contact_id" in found.lacking,
        rounded_ids=found.rounded_ids,
        outside_window=found.outside_window,
        first_at=found.first_at,
        last_at=found.last_at,
        respelled_columns=_all_of(source.respelled for source in made.sources),
        unknown_columns=_all_of(source.unknown for source in made.sources),
        mappings=_changes(source.mapping for source in made.sources if source.mapping),
        missing_columns=_all_of(source.missing for source in made.sources),
        unknown_codes=found.unknown_codes,
        turns=found.turns,
        out_of_turn=found.out_of_turn,
        warnings=tuple(says for attempt in made.attempts for says in attempt.answers.get(WARNINGS, ())),
        estimate_rows=newest.estimate_rows,
        covers=tuple(covers),
        landing_bytes=sum(file.bytes for attempt in made.attempts for file in attempt.files),
        twin=recipe.twin,
    )


def _filled(recipe: Recipe, made: Made) -> tuple[str, ...]:
    """The columns that every event should have, but those that were not asked for, or for one value alone."""
    missing = {name for source in made.sources for name in source.missing}
    constant = {name for attempt in made.attempts for name in attempt.constants}
    return tuple(column for column, name in recipe.filled.items() if name not in missing | constant)


def _changes(mappings: Iterable[Mapping[str, str]]) -> tuple[dict[str, str], ...]:
    return tuple(dict(mapping) for mapping, _ in groupby(mappings))


def _all_of(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in names for name in group))
