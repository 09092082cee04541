"""Landed files through a recipe into a Parquet file; a partition alone is read ahead in a thread of its own.

Not here: which files (`run.py`), how each is read (`csv_source.py`, `record_reader.py`), each key once
(`deduplication.py`).
"""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import duckdb
import pyarrow as pa

from journey_pipeline.errors import ContractError, JourneyError, LakeError
from journey_pipeline.normalize.relation import landing_schema
from journey_pipeline.normalize.session import NormalizeLimits, Session
from journey_pipeline.recipe import Recipe

Item = TypeVar("Item")
_AHEAD = 4


@dataclass(slots=True)
class Batches(Generic[Item]):
    """Items that are taken through a foreign interface, which passes on the text of an error alone.

    Attributes:
        failure: What ended them too early, if something did. The taker meets it too.
    """

    items: Iterator[Item]
    failure: BaseException | None = None

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        try:
            return next(self.items)
        except StopIteration:
            raise
        except BaseException as error:
            self.failure = error
            raise


@contextmanager
def read_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Items made by another thread, which has ended when the block ends, whether all of them were taken or not."""
    made: queue.Queue[Item | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def make() -> None:
        try:
            for item in items:
                made.put(item)
                if stopped.is_set():
                    break
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            made.put(error)
        finally:
            made.put(None)

    def taken() -> Iterator[Item]:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
        made.put(None)  # for the end of the block, which waits for it too

    thread = threading.Thread(target=make, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        while made.get() is not None:
            pass
        thread.join()


class UnreadableAttemptError(LakeError):
    """An attempt of which no events can be made: damaged, not as documented, or past the limits."""

    def __init__(self, attempt: str, why: JourneyError) -> None:
        super().__init__(str(why))
        self.attempt = attempt
        self.why = why


class IrregularError(Exception):
    """A file has to be read again from its start, another way than now."""


@dataclass(slots=True, kw_only=True)
class Source(ABC):
    """One landed file, read as batches of `landing`. What is found of its columns is final once it was read.

    Attributes:
        path: Where it lies, in the folder of its attempt.
        recipe: What it is read for.
        constants: Values of columns that were not downloaded.
        rows: Records counted while landing.
        read: Records that were handed to the recipe.
        faults: Records whose form is wrong.
        unknown: What the file has and the recipe does not know, as the file names it.
        missing: What the recipe knows and neither the file nor the constants have.
        respelled: What the recipe knows under names that differ in case or blanks around them, as the file names them.
        mapping: The field that each column is read from, where the reader finds that out.
    """

    path: Path
    recipe: Recipe
    constants: Mapping[str, str]
    rows: int
    read: int = 0
    faults: int = 0
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    respelled: tuple[str, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def attempt(self) -> str:
        """The attempt that it belongs to."""
        return self.path.parent.name

    @property
    def name(self) -> str:
        """As lineage names it: `partition/attempt/file`."""
        return "/".join(self.path.parts[-3:])

    @abstractmethod
    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted.

        Raises:
            IrregularError: If the file has to be read again from its start, another way than now.
            LakeError: If it can't be read, or a record is longer than the limits allow.
            ContractError: If it is whole and can't be understood.
        """

    @abstractmethod
    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""


def stage_events(session: Session, sources: Sequence[Source], recipe: Recipe, select: str, to: Path) -> int:
    """Writes the events of some files, in the files' order.

    Args:
        sources: The files; each knows afterwards how many records it handed on.
        select: The statement over `landing`.

    Returns:
        The events written.

    Raises:
        UnreadableAttemptError: If a file can't be read to its end or understood, or a record is longer than the limits
            allow.
    """
    schema = landing_schema(recipe, with_raw=False)
    while True:
        try:
            batches = (batch for source in sources for batch in _of_attempt(source, session.limits))
            return copy_batches(session, batches, schema, select, to)
        except IrregularError:
            continue  # the source knows now how to be read


def _of_attempt(source: Source, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
    """A source's good records; an error says whose they are."""
    try:
        yield from source.good(limits)
    except (ContractError, LakeError) as error:
        raise UnreadableAttemptError(source.attempt, error) from error


def stage_rejects(
    session: Session, sources: Sequence[Source], recipe: Recipe, select: str, to: Path, *, faults_only: bool
) -> int:
    """Writes the records of some files that are no events, with their raw text.

    Args:
        select: The statement over `landing`.
        faults_only: Whether the recipe itself refused none, so that only records of wrong form need to be read.

    Returns:
        The rejects written.
    """
    schema = landing_schema(recipe, with_raw=True)
    wanted = (source for source in sources if source.faults or not faults_only)
    batches = (batch for source in wanted for batch in source.with_raw(session.limits, faults_only=faults_only))
    return copy_batches(session, batches, schema, select, to)


def copy_batches(session: Session, batches: Iterator[pa.RecordBatch], schema: pa.Schema, select: str, to: Path) -> int:
    """Writes what a statement gives of some batches.

    They are made in another thread meanwhile, unless other partitions are at work: then that would only cost.

    Args:
        batches: What the relation `landing` holds.
        select: The statement over `landing`.

    Returns:
        The rows written.
    """
    with read_ahead(batches) if session.is_alone else nullcontext(batches) as made:
        taken = Batches(made)
        session.connection.register("landing", pa.RecordBatchReader.from_batches(schema, taken))
        try:
            return session.copy(select, to)
        except duckdb.Error:
            if taken.failure:  # DuckDB knows only its text
                raise taken.failure from None
            raise
        finally:
            session.connection.unregister("landing")
