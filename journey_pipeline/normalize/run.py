"""From a partition's landing to its events: every landed record becomes an event, a reject or a duplicate, provably.

Given the same landing, recipe and limits it writes the same bytes. Files lie in the session's folder until they are put
in place. Not here: what is done to the records (`staging.py`, `deduplication.py`, `inspection.py`), putting in place
(`lake/events.py`), when to do it (`loading/`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypedDict, Unpack

from journey_pipeline import __version__
from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.files import EVENTS_LOCK, exclusive, naming_disk_troubles
from journey_pipeline.formats.records import InformedReader
from journey_pipeline.lake.events import describe_parquet, put_events
from journey_pipeline.lake.landing import mark_superseded, read_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import DAMAGED, WARNINGS, Attempt, EventsManifest, LandingManifest, ParquetFile
from journey_pipeline.model import StreamKey, Window, partition_window
from journey_pipeline.normalize import deduplication as keys
from journey_pipeline.normalize.attribute_columns import recipe_of_attributes, with_addresses, write_attribute_columns
from journey_pipeline.normalize.csv_source import CsvSource
from journey_pipeline.normalize.deduplication import Deduplicated, Kept
from journey_pipeline.normalize.inspection import Inspection, inspect_events
from journey_pipeline.normalize.json_source import JsonSource
from journey_pipeline.normalize.landed_file import DamagedFileError, Source, UnreadableAttemptError
from journey_pipeline.normalize.parquet_source import ParquetSource
from journey_pipeline.normalize.people import NO_PEOPLE, Told, write_people
from journey_pipeline.normalize.record_reader import ReaderSource, write_attributes
from journey_pipeline.normalize.session import NormalizeLimits, Session, session
from journey_pipeline.normalize.staging import (
    BELIEVABLE,
    MASKED,
    read_codes,
    select_events,
    select_rejects,
    stage_events,
    stage_rejects,
)
from journey_pipeline.recipe import AttributeColumns, People, Recipe

log = logging.getLogger(__name__)


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
            kept = keys.keep_earlier(opened, lake, landing, unreadable, events=made.events, rejects=made.rejects)
            attributes, attribute_rows = steps.attributes(made)
            if attributes and _people_rows(recipe, made):
                kept = replace(kept, events=with_addresses(opened, kept.events, attributes))
            inside = extent.get("inside") or partition_window(partition)
            found = inspect_events(opened, kept.events, inside, codes, recipe, filled=_filled(recipe, made))
            beside = {
                "rejects": (kept.rejects, made.reject_rows + kept.reject_rows),
                "attributes": (attributes, attribute_rows),
                "populations": (made.people.populations, made.people.members),
            }
            described = {name: describe_parquet(file, rows) for name, (file, rows) in beside.items() if file}
            covers = tuple(extent.get("covers", ()))
            manifest = _manifest(landing, recipe, made, found, kept=kept, covers=covers, beside=described)
            files = {name: file for name, (file, _) in beside.items()}
            yield Finished(opened, landing, manifest, kept.events, files, unreadable)


@dataclass(frozen=True, slots=True)
class Made:
    """Finished files that are not in place yet."""

    attempts: Sequence[Attempt]
    sources: Sequence[Source]
    events: Path
    rejects: Path | None
    reject_rows: int
    counts: Deduplicated
    rejects_of_newest: int
    people: Told = NO_PEOPLE


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps from landed files to finished files."""

    opened: Session
    lake: Lake
    landing: LandingManifest
    recipe: Recipe
    repeated_from: datetime | None

    def make_of_readable(self) -> tuple[Made | None, dict[str, JourneyError]]:
        """The events of the readable attempts, and the reasons of the others; None if none is readable."""
        attempts = self.landing.candidates
        unreadable: dict[str, JourneyError] = {}
        while readable := [attempt for attempt in attempts if attempt.attempt not in unreadable]:
            try:
                return self.make(readable), unreadable
            except UnreadableAttemptError as error:
                log.warning(
                    "%s %s: %s is set aside: %s", self.landing.key, self.landing.partition, error.attempt, error
                )
                unreadable[error.attempt] = error.why
                attempts = self.landing.attempts  # it may be the one that superseded others
        return None, unreadable

    def make(self, attempts: Sequence[Attempt]) -> Made:
        """The fast way writes once and proves that no key repeats; the slow way is for where one does or is said to."""
        events = self.opened.folder / "events.parquet"
        if isinstance(self.recipe.attributes, People):
            return self._people(self.recipe.attributes, attempts, events)
        attempts = keys.last_of_equals(attempts)
        sources = [source for attempt in attempts for source in self._opened(attempt)]
        if len(attempts) == 1 and not self.recipe.repeats_are_usual:
            typed = self._stage(sources, events, for_deduplication=False)
            if not keys.repeated_keys(self.opened, events, typed):
                counts = Deduplicated(typed, typed, withdrawn=0, conflicts=0)
                rejects, rows = self._rejects(sources, typed)
                return Made(attempts, sources, events, rejects, rows, counts, rows)
        staged = self.opened.folder / "staged.parquet"
        typed = self._stage(sources, staged, for_deduplication=True)
        rejects, reject_rows = self._rejects(sources, typed)
        complete = {attempt.attempt: keys.is_complete(attempt.attempt, sources) for attempt in attempts}
        if superseded := keys.superseded_attempts(self.opened, staged, rejects, complete):
            # From the start, as if they were not there: the same as the next time, when they will be marked.
            return self.make([attempt for attempt in attempts if attempt.attempt not in superseded])
        counts = keys.deduplicate(self.opened, staged, attempts[-1].attempt, events, repeated_from=self.repeated_from)
        newest = keys.rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return Made(attempts, sources, events, rejects, reject_rows, counts, newest)

    def _people(self, people: People, attempts: Sequence[Attempt], events: Path) -> Made:
        """What files say of people; each stands for itself, and none of them for an older one."""
        sources = [source for attempt in attempts for source in self._opened(attempt)]
        staged = self.opened.folder / "people.parquet"
        typed = self._stage(sources, staged, for_deduplication=False)
        rejects, rows = self._rejects(sources, typed)
        told = write_people(
            self.opened, people, staged, attempts, events, answers=self.landing.answers_until(attempts[-1]), rows=typed
        )
        counts = Deduplicated(typed, events=0, withdrawn=0, conflicts=0)
        newest = keys.rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return Made(attempts, sources, events, rejects, rows, counts, newest, told)

    def attributes(self, made: Made) -> tuple[Path | None, int]:
        """The file with the attributes of people in the newest attempt, and its rows; None if there are none."""
        newest = made.attempts[-1]
        if self.recipe.attributes is None:
            return None, 0
        if isinstance(self.recipe.attributes, People):
            return made.people.attributes, made.people.rows
        to = self.opened.folder / "attributes.parquet"
        answers = self.landing.answers_until(newest)
        if isinstance(self.recipe.attributes, AttributeColumns):
            sources = list(self._sources(newest, recipe_of_attributes(self.recipe, self.recipe.attributes)))
            rows = write_attribute_columns(self.opened, self.recipe.attributes, sources, to, answers=answers)
        else:
            folder = self._folder(newest)
            rows = write_attributes(self.opened, self.recipe.attributes, newest, folder, to, answers=answers)
        return (to if rows else None), rows

    def _folder(self, attempt: Attempt) -> Path:
        return self.lake.landing_dir(self.landing.key, self.landing.partition) / attempt.attempt

    def _opened(self, attempt: Attempt) -> list[Source]:
        try:
            return list(self._sources(attempt))
        except (ContractError, LakeError) as error:
            raise UnreadableAttemptError(attempt.attempt, error) from error

    def _sources(self, attempt: Attempt, recipe: Recipe | None = None) -> Iterator[Source]:
        recipe = recipe or self.recipe
        reader = recipe.reader
        if isinstance(reader, InformedReader):
            reader = reader.informed(self.landing.answers_until(attempt))
        of_people = [file for file in attempt.files if recipe.of_people(file.columns)]
        of_events = [file for file in attempt.files if file not in of_people]
        for file in of_events if recipe is self.recipe else of_people or of_events:
            given = (self._folder(attempt) / file.name, file, recipe, attempt.constants)
            form = recipe.format_of(file.name)
            if reader:
                yield ReaderSource.open(*given, reader)
            elif form == "parquet":
                yield ParquetSource.open(*given, self.opened)
            elif form == "json":
                yield JsonSource.open(*given)
            else:
                yield CsvSource.open(*given, self.opened.limits.block_bytes)

    def _stage(self, sources: Sequence[Source], to: Path, *, for_deduplication: bool) -> int:
        select = select_events(
            self.landing.key, self.landing.partition, self.recipe, for_deduplication=for_deduplication
        )
        return stage_events(self.opened, sources, self.recipe, select, to)

    def _rejects(self, sources: Sequence[Source], typed: int) -> tuple[Path | None, int]:
        """Reads the files once more, but only where the counts say that something was rejected."""
        refused = sum(source.read for source in sources) - typed
        if not refused and not any(source.faults for source in sources):
            return None, 0
        select = select_rejects(self.landing.key, self.landing.partition, self.recipe)
        to = self.opened.folder / "rejects.parquet"
        rows = stage_rejects(self.opened, sources, self.recipe, select, to, faults_only=not refused)
        return to, rows


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
    *,
    kept: Kept,
    covers: tuple[str, ...],
    beside: Mapping[str, ParquetFile],
) -> EventsManifest:
    counts, newest = made.counts, made.attempts[-1]
    people_rows = _people_rows(recipe, made)
    landed = sum(source.rows for source in made.sources) + people_rows
    return EventsManifest(
        vendor=landing.vendor,
        connection=landing.connection,
        stream=landing.stream,
        partition=landing.partition,
        window=str(partition_window(landing.partition)),
        attempts=tuple(attempt.attempt for attempt in made.attempts),
        recipe=recipe.digest,
        package_version=__version__,
        landed_at=made.people.exported_at or newest.landed_at,
        events=describe_parquet(kept.events, counts.events + kept.event_rows),
        kept_events=kept.event_rows,
        kept_rejects=kept.reject_rows,
        unreadable_attempts=kept.unreadable,
        **beside,
        people=made.people.people + people_rows,
        masked=made.people.masked,
        landed=landed,
        duplicates=counts.typed - counts.events - made.people.people,
        unaccounted=landed - people_rows - counts.typed - made.reject_rows,
        withdrawn=counts.withdrawn,
        conflicts=counts.conflicts,
        rejects_of_newest=made.rejects_of_newest,
        **asdict(found),
        respelled_columns=_all_of(source.respelled for source in made.sources),
        unknown_columns=_all_of(source.unknown for source in made.sources),
        mappings=tuple(dict(one) for one, _ in groupby(source.mapping for source in made.sources if source.mapping)),
        missing_columns=_all_of(source.missing for source in made.sources),
        warnings=tuple(says for attempt in made.attempts for says in attempt.answers.get(WARNINGS, ())),
        estimate_rows=newest.estimate_rows,
        covers=covers,
        landing_bytes=sum(file.bytes for attempt in made.attempts for file in attempt.files),
        twin=recipe.twin,
    )


def _people_rows(recipe: Recipe, made: Made) -> int:
    """Records of files that tell of people alone."""
    return sum(file.rows for attempt in made.attempts for file in attempt.files if recipe.of_people(file.columns))


def _filled(recipe: Recipe, made: Made) -> tuple[str, ...]:
    """The columns that every event should have, but those that were not asked for, or for one value alone."""
    missing = {name for source in made.sources for name in source.missing}
    constant = {name for attempt in made.attempts for name in attempt.constants}
    return tuple(column for column, name in recipe.filled.items() if name not in missing | constant)


def _all_of(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in names for name in group))
