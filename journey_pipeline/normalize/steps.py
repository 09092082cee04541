"""The steps from a partition's landed files to finished files of events, rejects and attributes.

The files lie in the session's folder until they are put in place.
Not here: their order and their manifest (`run.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.formats.records import InformedReader
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandingManifest
from journey_pipeline.normalize.attribute_columns import recipe_of_attributes, write_attribute_columns
from journey_pipeline.normalize.csv_source import CsvSource
from journey_pipeline.normalize.deduplication import Deduplicated, deduplicate, repeated_keys, superseded_attempts
from journey_pipeline.normalize.inspection import rejects_of
from journey_pipeline.normalize.json_source import JsonSource
from journey_pipeline.normalize.parquet_source import ParquetSource
from journey_pipeline.normalize.people import NO_PEOPLE, Told, write_people
from journey_pipeline.normalize.recipe_sql import select_events, select_rejects
from journey_pipeline.normalize.record_reader import ReaderSource, write_attributes
from journey_pipeline.normalize.session import Session
from journey_pipeline.normalize.staging import Source, UnreadableAttemptError, stage_events, stage_rejects
from journey_pipeline.recipe import AttributeColumns, People, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attributes:
    """A finished file that is not in place yet."""

    path: Path
    rows: int


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
    of_people: Callable[[Sequence[str]], bool]
    people: Told = NO_PEOPLE

    @property
    def people_rows(self) -> int:
        """Records of files that tell of people alone."""
        return sum(file.rows for attempt in self.attempts for file in attempt.files if self.of_people(file.columns))


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
        attempts = _last_of_equals(attempts)
        sources = [source for attempt in attempts for source in self._opened(attempt)]
        if len(attempts) == 1 and not self.recipe.repeats_are_usual:
            typed = self._stage(sources, events, for_deduplication=False)
            if not repeated_keys(self.opened, events, typed):
                counts = Deduplicated(typed, typed, withdrawn=0, conflicts=0)
                rejects, rows = self._rejects(sources, typed)
                return Made(attempts, sources, events, rejects, rows, counts, rows, self.recipe.of_people)
        staged = self.opened.folder / "staged.parquet"
        typed = self._stage(sources, staged, for_deduplication=True)
        rejects, reject_rows = self._rejects(sources, typed)
        complete = {attempt.attempt: _is_complete(attempt.attempt, sources) for attempt in attempts}
        if superseded := superseded_attempts(self.opened, staged, rejects, complete):
            # From the start, as if they were not there: the same as the next time, when they will be marked.
            return self.make([attempt for attempt in attempts if attempt.attempt not in superseded])
        counts = deduplicate(self.opened, staged, attempts[-1].attempt, events, repeated_from=self.repeated_from)
        newest = rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return Made(attempts, sources, events, rejects, reject_rows, counts, newest, self.recipe.of_people)

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
        newest = rejects_of(self.opened, rejects, attempts[-1].attempt) if rejects else 0
        return Made(attempts, sources, events, rejects, rows, counts, newest, self.recipe.of_people, told)

    def attributes(self, made: Made) -> Attributes | None:
        """The attributes of people in the newest attempt; None if there are none."""
        newest = made.attempts[-1]
        if self.recipe.attributes is None:
            return None
        if isinstance(self.recipe.attributes, People):
            return Attributes(made.people.attributes, made.people.rows) if made.people.attributes else None
        to = self.opened.folder / "attributes.parquet"
        answers = self.landing.answers_until(newest)
        if isinstance(self.recipe.attributes, AttributeColumns):
            sources = list(self._sources(newest, recipe_of_attributes(self.recipe, self.recipe.attributes)))
            rows = write_attribute_columns(self.opened, self.recipe.attributes, sources, to, answers=answers)
            return Attributes(to, rows) if rows else None
        rows = write_attributes(self.opened, self.recipe.attributes, newest, self._folder(newest), to, answers=answers)
        return Attributes(to, rows) if rows else None

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
