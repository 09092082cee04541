"""From a partition's landing to its events: every landed record becomes an event, a reject or a duplicate, provably.

Given the same landing, recipe and limits it writes the same bytes. Not here: the steps themselves (`staging.py`,
`deduplication.py`, `inspection.py`, `lake/events.py`), and when to take them (`loading/`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path

from journey_pipeline import __version__
from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.files import EVENTS_LOCK, exclusive, naming_disk_troubles
from journey_pipeline.formats.records import InformedReader
from journey_pipeline.lake.events import describe_parquet, is_normalized, put_events, recipe_digest
from journey_pipeline.lake.landing import mark_superseded, read_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import WARNINGS, Attempt, EventsManifest, LandingManifest, ParquetFile
from journey_pipeline.lake.repair import DAMAGED
from journey_pipeline.model import StreamKey, Window, partition_window
from journey_pipeline.normalize.attribute_columns import recipe_of_attributes, with_addresses, write_attribute_columns
from journey_pipeline.normalize.csv_source import CsvSource
from journey_pipeline.normalize.deduplication import (
    Deduplicated,
    Kept,
    deduplicate,
    keep_earlier,
    repeated_keys,
    superseded_attempts,
)
from journey_pipeline.normalize.inspection import Inspection, inspect_events, rejects_of
from journey_pipeline.normalize.json_source import JsonSource
from journey_pipeline.normalize.landed_file import DamagedFileError
from journey_pipeline.normalize.parquet_source import ParquetSource
from journey_pipeline.normalize.people import NO_PEOPLE, Told, write_people
from journey_pipeline.normalize.recipe_sql import BELIEVABLE, MASKED, read_codes, select_events, select_rejects
from journey_pipeline.normalize.record_reader import ReaderSource, write_attributes
from journey_pipeline.normalize.session import NormalizeLimits, Session, session
from journey_pipeline.normalize.staging import Source, UnreadableAttemptError, stage_events, stage_rejects
from journey_pipeline.recipe import AttributeColumns, People, Recipe

__all__ = ["NormalizeLimits", "is_normalized", "normalize"]

log = logging.getLogger(__name__)


def normalize(
    lake: Lake,
    stream: StreamKey,
    partition: str,
    recipe: Recipe,
    limits: NormalizeLimits | None = None,
    *,
    inside: Window | None = None,
    repeated_from: datetime | None = None,
    covers: Sequence[str] = (),
) -> EventsManifest:
    """Makes a partition's events, rejects and attributes of its landing, and puts them in place.

    An attempt that can't be read is set aside with its reason, and events are made of the others; those that were made
    of it earlier are kept. One that was set aside is tried again.

    Args:
        recipe: How its records become events.
        limits: What the work may use.
        inside: Where its events should lie in time; the partition's window if None. Those outside are counted.
        repeated_from: Of answers whose reach moves with their asking: the newest one should have the events from then
            on; those before have aged out and are not counted as withdrawn.
        covers: Later partitions that its answers hold too; the manifest says so.

    Returns:
        The manifest of the events. Its `unaccounted` says whether as many records were met as were counted while
        landing: it is not raised, so that the events that there are can be used and a check can go red.

    Raises:
        LakeError: If the partition has not landed, or none of its attempts can be read: a landed file is missing or is
            not the bytes that landed, or a record is longer than the limits allow. What was in place before stays.
        ContractError: If none can be read, the newest one since its reader can't understand it. Likewise.
    """
    limits = limits or NormalizeLimits()
    work = f"normalizing {stream} {partition}"
    with naming_disk_troubles(work, lake.home), exclusive(lake.landing_dir(stream, partition) / EVENTS_LOCK):
        landing = _landing(lake, stream, partition)
        codes = read_codes(recipe.codes, recipe.decoded)
        macros = (BELIEVABLE, MASKED, *(table.macro for table in codes))
        with session(lake, limits, work, macros=macros) as opened:
            steps = _Work(opened, lake, landing, recipe, repeated_from)
            made, unreadable = steps.make_of_readable()
            if not made:
                _mark_unreadable(lake, landing, unreadable)
                raise next(reversed(unreadable.values()))
            kept = keep_earlier(opened, lake, landing, unreadable, events=made.events, rejects=made.rejects)
            attributes = steps.attributes(made)
            if attributes and made.people_rows:
                kept = replace(kept, events=with_addresses(opened, kept.events, attributes.path))
            found = inspect_events(
                opened,
                kept.events,
                inside or partition_window(partition),
                codes,
                by_arrival=recipe.windows_of_arrival,
                filled=_filled(recipe, made),
                numbers=recipe.numbers,
                turns_alternate=recipe.turns_alternate,
            )
            manifest = _manifest(landing, recipe, made, found, attributes, kept=kept, covers=covers)
            beside = {
                "rejects": kept.rejects,
                "attributes": attributes.path if attributes else None,
                "populations": made.people.populations,
            }
            put_events(lake, manifest, kept.events, **beside)
        _mark(lake, landing, manifest, unreadable)
    return manifest


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


@dataclass(frozen=True, slots=True)
class _Attributes:
    """A finished file that is not in place yet."""

    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class _Made:
    """Finished files that are not in place yet."""

    attempts: Sequence[Attempt]
    sources: Sequence[Source]
    events: Path
    rejects: Path | None
    reject_rows: int
    counts: Deduplicated
    rejects_of_newest: int
    of_people: Callable[[Sequence[str]], bool]
    people: Told = NO_PEOPLE

    @property
    def people_rows(self) -> int:
        """Records of files that tell of people alone."""
        return sum(file.rows for attempt in self.attempts for file in attempt.files if self.of_people(file.columns))


def _landing(lake: Lake, stream: StreamKey, partition: str) -> LandingManifest:
    landing = read_landing(lake, stream, partition)
    if landing is None or not landing.candidates:
        where = f"it is in {landing.covered_by}: normalize that" if landing and landing.covered_by else "pull it first"
        raise LakeError(f"{stream} {partition} has no landing of its own; {where}.")
    return landing


@dataclass(frozen=True, slots=True)
class _Work:
    """The steps from landed files to finished files."""

    opened: Session
    lake: Lake
    landing: LandingManifest
    recipe: Recipe
    repeated_from: datetime | None

    def make_of_readable(self) -> tuple[_Made | None, dict[str, JourneyError]]:
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

    def make(self, attempts: Sequence[Attempt]) -> _Made:
        """The fast way writes once and proves that no key repeats; the slow way is for where one does or is said to."""
        events = self.opened.folder / "events.parquet"
        if isinstance(self.recipe.attributes, People):
            return self._people(self.recipe.attributes, attempts, events)
        attempts = _last_of_equals(attempts)
        sources = [source for attempt in attempts for source in self._opened(attempt)]
        if len(attempts) == 1 and not self.recipe.repeats_are_usual:
            typed = self._stage(sources, events, for_deduplication=False)
            if not repeated_keys(self.opened, events, typed):
                counts = Deduplicated(typed, typed, withdrawn=0, conflicts=0)
                rejects, rows = self._rejects(sources, typed)
                return _Made(attempts, sources, events, rejects, rows, counts, rows, self.recipe.of_people)
        staged = self.opened.folder / "staged.parquet"
        typed = self._stage(sources, staged, for_deduplication=True)
        rejects, reject_rows = self._rejects(sources, typed)
        complete = {attempt.attempt: _is_complete(attempt.attempt, sources) for attempt in attempts}
        if superseded := superseded_attempts(self.opened, staged, rejects, complete):
            # From the start, as if they were not there: the same as the next time, when they will be marked.
            return self.make([attempt for attempt in attempts if attempt.attempt not in superseded])
        counts = deduplicate(self.opened, staged, attempts[-1].attempt, events, repeated_from=self.repeated_from)
        newest = rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return _Made(attempts, sources, events, rejects, reject_rows, counts, newest, self.recipe.of_people)

    def _people(self, people: People, attempts: Sequence[Attempt], events: Path) -> _Made:
        """What files say of people; each stands for itself, and none of them for an older one."""
        sources = [source for attempt in attempts for source in self._opened(attempt)]
        staged = self.opened.folder / "people.parquet"
        typed = self._stage(sources, staged, for_deduplication=False)
        rejects, rows = self._rejects(sources, typed)
        told = write_people(
            self.opened, people, staged, attempts, events, answers=self.landing.answers_until(attempts[-1]), rows=typed
        )
        counts = Deduplicated(typed, events=0, withdrawn=0, conflicts=0)
        newest = rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return _Made(attempts, sources, events, rejects, rows, counts, newest, self.recipe.of_people, told)

    def attributes(self, made: _Made) -> _Attributes | None:
        """The attributes of people in the newest attempt; None if there are none."""
        newest = made.attempts[-1]
        if self.recipe.attributes is None:
            return None
        if isinstance(self.recipe.attributes, People):
            return _Attributes(made.people.attributes, made.people.rows) if made.people.attributes else None
        to = self.opened.folder / "attributes.parquet"
        answers = self.landing.answers_until(newest)
        if isinstance(self.recipe.attributes, AttributeColumns):
            sources = list(self._sources(newest, recipe_of_attributes(self.recipe, self.recipe.attributes)))
            rows = write_attribute_columns(self.opened, self.recipe.attributes, sources, to, answers=answers)
            return _Attributes(to, rows) if rows else None
        rows = write_attributes(self.opened, self.recipe.attributes, newest, self._folder(newest), to, answers=answers)
        return _Attributes(to, rows) if rows else None

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


def _last_of_equals(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts without those whose answer came again byte for byte: the newest one stands for them.

    One that is set aside is read all the same: only so it shows whether its files are mended.
    """
    answers = [(tuple(file.sha256 for file in one.files), tuple(sorted(one.constants.items()))) for one in attempts]
    newest = {answer: attempt.attempt for answer, attempt in zip(answers, attempts, strict=True)}
    return [attempt for attempt in attempts if attempt.unreadable or attempt.attempt in newest.values()]


def _is_complete(attempt: str, sources: Iterable[Source]) -> bool:
    """Whether as many records of an attempt were met as were counted while landing."""
    return all(source.read + source.faults == source.rows for source in sources if source.attempt == attempt)


def _manifest(
    landing: LandingManifest,
    recipe: Recipe,
    made: _Made,
    found: Inspection,
    attributes: _Attributes | None,
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


def _filled(recipe: Recipe, made: _Made) -> tuple[str, ...]:
    """The columns that every event should have, but those that were not asked for, or for one value alone."""
    missing = {name for source in made.sources for name in source.missing}
    constant = {name for attempt in made.attempts for name in attempt.constants}
    return tuple(column for column, name in recipe.filled.items() if name not in missing | constant)


def _changes(mappings: Iterable[Mapping[str, str]]) -> tuple[dict[str, str], ...]:
    return tuple(dict(mapping) for mapping, _ in groupby(mappings))


def _all_of(names: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in names for name in group))
