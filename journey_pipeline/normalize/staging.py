"""Landed files through a recipe into a Parquet file: the SQL around the recipe's own, its code tables, the statement.

A partition alone is read ahead in a thread of its own. Not here: which files (`run.py`), how each is read
(`csv_source.py`, `record_reader.py`), each key once (`deduplication.py`).
"""

from __future__ import annotations

import csv
import json
import queue
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import duckdb
import pyarrow as pa

from journey_pipeline.errors import ContractError, LakeError
from journey_pipeline.model import EARLIEST_TIME, END_OF_TIMES, EVENT_COLUMNS, EVENTS_ONLY, StreamKey
from journey_pipeline.normalize.landed_file import IrregularError, Source, UnreadableAttemptError
from journey_pipeline.normalize.relation import landing_schema
from journey_pipeline.normalize.session import NormalizeLimits, Session
from journey_pipeline.recipe import Recipe
from journey_pipeline.sql import literal

_EARLIEST, _END = literal(EARLIEST_TIME), literal(END_OF_TIMES)
BELIEVABLE = f"""
create macro believable(instant) as
  case
    when instant >= {_EARLIEST}::timestamptz and instant < {_END}::timestamptz then instant
  end
"""
"""Makes the function by which every recipe, and the lake after it, takes a vendor's time: NULL if it can't be true."""
_EDGE = "case when regexp_matches(key, '{}') then '\\b' else '' end"
MASKED = f"""
create macro masked(said, key) as
  case
    when key <> '' and contains(lower(said), lower(key))
      then regexp_replace(
        said,
        concat('(?i)', {_EDGE.format("^[0-9A-Za-z_]")}, regexp_escape(key), {_EDGE.format("[0-9A-Za-z_]$")}),
        '*',
        'g'
      )
    else said
  end
"""
"""Makes the function that puts `*` in place of a key in a text that people read, where the key stands by itself."""


def select_events(stream: StreamKey, partition: str, recipe: Recipe, *, for_deduplication: bool = False) -> str:
    """The events of the relation `landing`, in its order.

    Args:
        for_deduplication: Whether `key_is_content` is given as well.
    """
    extra = {"key_is_content": "key_is_content"} if for_deduplication else {}
    columns = _columns({**_event_columns(stream, partition), **extra})
    good = "reject_reason is null and believable(occurred_at) is not null"
    return f"select\n  {columns}\nfrom ({recipe.sql}) as record\nwhere {good}"


def select_rejects(stream: StreamKey, partition: str, recipe: Recipe) -> str:
    """The records of `landing` that are no events: the event columns as far as they could be read, raw text, reason."""
    columns = _event_columns(stream, partition)
    for name in EVENTS_ONLY:
        del columns[name]
    columns["event_key"] = f"(case when lineage.fault is null then {columns['event_key']} end)"
    columns["raw"] = "lineage.raw"
    columns["raw_base64"] = "lineage.raw_base64"
    columns["reason"] = "coalesce(lineage.fault, reject_reason, 'impossible time')"
    return (
        f"select\n  {_columns(columns)}\nfrom ({recipe.sql}) as record\n"
        "where lineage.fault is not null or reject_reason is not null or believable(occurred_at) is null"
    )


def _event_columns(stream: StreamKey, partition: str) -> dict[str, str]:
    """Each event column's expression over what the recipe gives, cast to its type and then to that of files."""
    scope = literal(json.dumps([stream.connection, stream.stream], ensure_ascii=False, separators=(",", ":")))
    given = {
        # Two JSON arrays, one after the other: quotes and separators inside values are escaped, and null is not "",
        # so that no two keys give the same text.
        "event_key": f"unhex(md5(concat({scope}, to_json(key_fields))))",
        "vendor": literal(stream.vendor),
        "connection": literal(stream.connection),
        "stream": literal(stream.stream),
        "occurred_at": "believable(occurred_at)",
        # By way of microseconds: a cast of a TIMESTAMPTZ asks the calendar of a time zone, at twice the cost.
        "occurred_on": "make_timestamp(epoch_us(believable(occurred_at)))",
        "received_at": "believable(received_at)",
        "reason": "masked(masked(reason, contact_id), email)",
        "properties": (
            "case when received_at is null or believable(received_at) is not null then properties "
            "else json_merge_patch(properties, json_object('received_at', received_at::varchar)) end"
        ),
        "partition_key": literal(partition),
        "landing_file": "lineage.file",
        "landing_row": "lineage.row",
    }
    return {
        column.name: f"({given.get(column.name, column.name)})::{column.type}::{column.file_type}"
        for column in EVENT_COLUMNS
    }


def _columns(expressions: dict[str, str]) -> str:
    return ",\n  ".join(f"{expression} as {name}" for name, expression in expressions.items())


_ANYTHING = "*"
_MEANT_BY_LIKE = re.compile(r"[%_\\]")


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A table of codes.

    Attributes:
        columns: Its columns; the first holds the codes.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def code_column(self) -> str:
        """The column that holds the codes."""
        return self.columns[0]

    @property
    def macro(self) -> str:
        """The statement that makes `name(code)` the row of a code as a STRUCT, or NULL.

        A function and not a join, because a join would take the order of the records from the planner; and a case that
        finds the row's number, which costs less than a lookup in a map.
        """
        rows = ", ".join(self._struct(row) for row in self.rows)
        codes = {row[0]: number for number, row in enumerate(self.rows, start=1)}
        exact = [f"when {literal(code)} then {number}" for code, number in codes.items() if _ANYTHING not in code]
        patterns = [f"when {_matches(code)} then {number}" for code, number in codes.items() if _ANYTHING in code]
        other = f"case {' '.join(patterns)} end" if patterns else "null"
        number = f"case code {' '.join(exact)} else {other} end" if exact else other
        return f"create macro {self.name}(code) as ([{rows}])[{number}]"

    def _struct(self, row: tuple[str, ...]) -> str:
        others = zip(self.columns[1:], row[1:], strict=True)
        return "{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in others) + "}"

    def by(self, column: str) -> CodeTable:
        """The same table with another column as the codes."""
        place = self.columns.index(column)
        return CodeTable(
            f"{self.name}_by_{column}",
            (column, self.code_column),
            tuple({row[place]: (row[place], row[0]) for row in self.rows}.values()),
        )

    def has(self, value: str) -> bool:
        """Whether a value is one of the codes, or fits one that holds a `*`; case aside."""
        value, codes = value.lower(), {row[0].lower() for row in self.rows}
        patterns = (".*".join(map(re.escape, code.split(_ANYTHING))) for code in codes if _ANYTHING in code)
        return value in codes or any(re.fullmatch(pattern, value, re.DOTALL) for pattern in patterns)


def _matches(code: str) -> str:
    """The condition that the macro's argument fits a code that holds a `*`."""
    beginning, *others = code.split(_ANYTHING)
    if others == [""]:
        return f"starts_with(code, {literal(beginning)})"
    parts = (_MEANT_BY_LIKE.sub(r"\\\g<0>", part) for part in (beginning, *others))
    return f"code like {literal('%'.join(parts))} escape '\\'"


def read_codes(paths: Mapping[str, Path], decoded: Mapping[str, str] | None = None) -> list[CodeTable]:
    """Reads a recipe's code tables; those whose values are event columns, by these too.

    Args:
        decoded: The tables of such columns, by column.

    Raises:
        LakeError: If a table is empty, has one column only, or a row of another width.
    """
    tables = {name: _read(name, path) for name, path in paths.items()}
    return [*tables.values(), *(tables[name].by(column) for column, name in (decoded or {}).items())]


def _read(name: str, path: Path) -> CodeTable:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file) if row] or [()]
    if len(header) < 2 or not rows or any(len(row) != len(header) for row in rows):  # noqa: PLR2004 - code and row
        raise LakeError(
            f"the code table {path} needs a header of two columns or more and rows as wide. Correct the file."
        )
    return CodeTable(name, header, tuple(rows))


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
