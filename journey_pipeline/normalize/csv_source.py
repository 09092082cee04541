"""A landed CSV as batches of `landing`: at full speed while it is regular, else again from its start, record by record.

Fields are text, or NULL where they were empty. Not here: cutting raw records (`formats/csv_records.py`), the relation
that a recipe reads (`relation.py`), files of other formats (`record_reader.py`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
from pyarrow import csv as pa_csv

from journey_pipeline.errors import LakeError
from journey_pipeline.formats.csv_records import (
    DELIMITER,
    RawRecord,
    TooLongError,
    fields_of,
    split_records,
    without_line_end,
)
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.normalize.landed_file import Inflated, IrregularError, Source, check_landed
from journey_pipeline.normalize.relation import (
    ColumnMap,
    json_objects,
    landing_schema,
    map_columns,
    raw_fields,
    relation,
    with_group,
)
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe

LONGEST_HEADER_BYTES = 1 << 20
_HEADER_AT_ONCE = 1 << 14  # all lines of a piece are cut, and one is wanted
_BLOCK_GROWTH = 8


class LongRecordError(Exception):
    """A record is longer than the reader's block."""


class CheckedRecord(NamedTuple):
    """A record with what is wrong with its form.

    Attributes:
        number: Its number in the file, from 1, the header not counted.
        raw: Its bytes without the line end.
        fault: Why it can't be read, or None.
        readable: What stands in its place for the parser: always as many fields as the header, always UTF-8.
    """

    number: int
    raw: bytes
    fault: str | None
    readable: bytes


@dataclass(frozen=True, slots=True)
class LandedCsv:
    """One CSV file of an attempt, with its header read.

    Attributes:
        header: Its columns as they stand in it; empty if the file has not even a header.
        header_bytes: Where the first record starts, the byte order mark not counted.
    """

    path: Path
    header: tuple[str, ...]
    header_bytes: int


@dataclass(slots=True, kw_only=True)
class CsvSource(Source):
    """One landed CSV file and how it has to be read."""

    landed: LandedCsv
    columns: ColumnMap
    block_bytes: int
    is_irregular: bool = False

    @classmethod
    def open(cls, path: Path, file: LandedFile, recipe: Recipe, constants: Mapping[str, str], block_bytes: int) -> Self:
        """Checks a file against its manifest and reads its header.

        Args:
            file: What the manifest says of it.
            block_bytes: How much is parsed at a time; grows where a record is longer.

        Raises:
            LakeError: If it is not what landed, or its header lacks what must be there.
        """
        landed = open_landed(path, file)
        columns = map_columns(landed.header, recipe, constants, path)
        return cls(
            path=path,
            recipe=recipe,
            constants=constants,
            rows=file.rows,
            unknown=columns.unknown,
            missing=columns.missing,
            respelled=columns.respelled,
            landed=landed,
            columns=columns,
            block_bytes=block_bytes,
        )

    def good(self, limits: NormalizeLimits) -> Iterator[pa.RecordBatch]:
        """The records whose form is right, counted."""
        self.read = self.faults = 0
        if not self.landed.header:
            return
        schema = landing_schema(self.recipe, with_raw=False)
        try:
            for batch in self._batches(limits):
                self.read += len(batch.numbers)
                yield landing_batch(batch, self.name, self.columns, schema)
        except IrregularError:
            self.is_irregular = True
            raise
        except LongRecordError as error:
            if self.is_irregular or self.block_bytes >= limits.longest_record_bytes:
                raise LakeError(
                    f"{self.landed.path} has a record longer than {limits.longest_record_bytes} bytes, or a quote "
                    "that is never closed. Look at the file; raise `longest_record_bytes` of NormalizeLimits if it is "
                    "right."
                ) from error
            self.block_bytes = min(self.block_bytes * _BLOCK_GROWTH, limits.longest_record_bytes)
            raise IrregularError from error

    def with_raw(self, limits: NormalizeLimits, *, faults_only: bool) -> Iterator[pa.RecordBatch]:
        """All records, or those whose form is wrong, each with its raw text."""
        if not self.landed.header:
            return
        schema = landing_schema(self.recipe, with_raw=True)

        def wanted(record: CheckedRecord) -> bool:
            return not faults_only or record.fault is not None

        for batch in checked_batches(self.landed, self.block_bytes, limits.longest_record_bytes, wanted):
            yield landing_batch(batch, self.name, self.columns, schema)

    def _batches(self, limits: NormalizeLimits) -> Iterator[CsvBatch]:
        if self.is_irregular:
            return checked_batches(self.landed, self.block_bytes, limits.longest_record_bytes, self._is_good)
        return fast_batches(self.landed, self.block_bytes)

    def _is_good(self, record: CheckedRecord) -> bool:
        self.faults += record.fault is not None
        return record.fault is None


def open_landed(path: Path, file: LandedFile) -> LandedCsv:
    """Checks a landed file against its manifest and reads its header.

    Raises:
        LakeError: If it is missing, not the bytes that landed, can't be inflated, or its header can't be read.
    """
    check_landed(path, file)
    with closing(Inflated(path)) as content:
        records = split_records(content.chunks(_HEADER_AT_ONCE), LONGEST_HEADER_BYTES)
        try:
            first = next(records, None)
            header = fields_of(first.raw) if first else []
        except (TooLongError, UnicodeDecodeError, csv.Error) as error:
            raise LakeError(
                f"{path} has no readable header line, so its columns are unknown. Look at the file."
            ) from error
    return LandedCsv(path, tuple(header), first.end if first else 0)


@dataclass(frozen=True, slots=True)
class CsvBatch:
    """Some records of a file, in its order.

    Attributes:
        columns: One array of text for each column of the header.
        numbers: The records' numbers in the file.
        records: The records themselves, where they were read one by one.
    """

    columns: list[pa.Array[Any]]
    numbers: pa.Array[Any]
    records: tuple[CheckedRecord, ...] = ()


def fast_batches(landed: LandedCsv, block_bytes: int) -> Iterator[CsvBatch]:
    """All records of a file that is regular to its end.

    Args:
        block_bytes: How much is parsed at a time.

    Raises:
        IrregularError: At a record with too few or too many fields, bytes that are not UTF-8, or an odd number of
            quotes; batches given before it are not to be used.
        LongRecordError: If a record is longer than a block.
    """
    with closing(Inflated(landed.path)) as content:
        content.read(landed.header_bytes)
        options = _read_options(landed, block_bytes)
        number = 0
        try:
            for batch in _open(content, landed, options):
                count = batch.num_rows
                yield CsvBatch(batch.columns, pa.array(np.arange(number + 1, number + count + 1, dtype=np.int64)))
                number += count
        except pa.ArrowInvalid as error:
            raise (LongRecordError if "straddling" in str(error) else IrregularError) from error
        if content.quotes % 2:
            raise IrregularError


def checked_batches(
    landed: LandedCsv, block_bytes: int, longest_bytes: int, wanted: Callable[[CheckedRecord], bool]
) -> Iterator[CsvBatch]:
    """The wanted records of any file, each looked at on its own: several times slower, and nothing stops it.

    Args:
        block_bytes: About how much is parsed at a time.
        longest_bytes: The most bytes of one record.

    Raises:
        LongRecordError: If a record is longer than allowed.
    """
    pending: list[CheckedRecord] = []
    size = 0
    for record in checked_records(landed, longest_bytes):
        if wanted(record):
            pending.append(record)
            size += len(record.readable)
        if size >= block_bytes:
            yield _parse(landed, pending)
            pending, size = [], 0
    if pending:
        yield _parse(landed, pending)


def checked_records(landed: LandedCsv, longest_bytes: int) -> Iterator[CheckedRecord]:
    """Every record of a file, with what is wrong with it.

    Raises:
        LongRecordError: If a record is longer than allowed.
    """
    with closing(Inflated(landed.path)) as content:
        content.read(landed.header_bytes)
        try:
            for number, record in enumerate(split_records(content.chunks(), longest_bytes), start=1):
                yield _check(number, record, len(landed.header))
        except TooLongError as error:
            raise LongRecordError from error


def _check(number: int, record: RawRecord, expected: int) -> CheckedRecord:
    raw = without_line_end(record.raw) if record.closed else record.raw
    empty = DELIMITER * (expected - 1) if expected > 1 else b'""'
    if not record.closed:
        # The rest of the file stands in this one field: how many records that was can't be known.
        return CheckedRecord(number, raw, "a quote is opened and never closed", empty)
    if record.fields != expected:
        few = "few" if record.fields < expected else "many"
        return CheckedRecord(number, raw, f"too {few} fields: {record.fields} of {expected}", empty)
    try:
        raw.decode()
    except UnicodeDecodeError:
        return CheckedRecord(number, raw, "not UTF-8", raw.decode(errors="replace").encode())
    return CheckedRecord(number, raw, None, raw)


def _parse(landed: LandedCsv, records: Iterable[CheckedRecord]) -> CsvBatch:
    records = tuple(records)
    content = b"\n".join(record.readable for record in records) + b"\n"
    table = pa.Table.from_batches(_open(io.BytesIO(content), landed, _read_options(landed, len(content) + 1)))
    if table.num_rows != len(records):
        raise LakeError(
            f"{landed.path}: {len(records)} records from number {records[0].number} on were read as {table.num_rows}. "
            "Nothing was written; this is a fault of the program, report it with the file's header line."
        )
    columns = [column.combine_chunks() for column in table.columns]
    return CsvBatch(columns, pa.array([record.number for record in records], pa.int64()), records)


def _read_options(landed: LandedCsv, block_bytes: int) -> pa_csv.ReadOptions:
    # By position: a header may name two columns alike. One thread: the caller reads ahead of the one that computes.
    names = _names(landed)
    return pa_csv.ReadOptions(block_size=block_bytes, use_threads=False, column_names=names)


def _names(landed: LandedCsv) -> list[str]:
    return [str(position) for position in range(len(landed.header))]


def _open(content: io.IOBase, landed: LandedCsv, options: pa_csv.ReadOptions) -> Iterator[pa.RecordBatch]:
    types = dict.fromkeys(_names(landed), pa.string())
    try:
        reader = pa_csv.open_csv(
            cast("IO[Any]", content),
            read_options=options,
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=types, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a header and nothing after it
            return
        raise
    yield from reader


def landing_batch(batch: CsvBatch, file_name: str, columns: ColumnMap, schema: pa.Schema) -> pa.RecordBatch:
    """Some records of a file, named as lineage names it, as a batch of `landing`."""
    rows = len(batch.numbers)

    def column(source: int | str | None) -> pa.Array[Any]:
        if isinstance(source, int):
            return batch.columns[source]
        value = columns.constants.get(source) if source else None
        return pa.repeat(pa.scalar(value or None, pa.string()), rows)

    known = [column(columns.known.get(name, name)) for name in schema.names[:-2]]
    properties = json_objects({name: column(source) for name, source in columns.properties.items()}, rows)
    for name, group in columns.groups.items():
        members = {member: column(position) for member, position in group.items()}
        properties = with_group(properties, name, members, rows)
    lineage = schema.field("lineage").type
    parts = [pa.repeat(pa.scalar(file_name), rows), batch.numbers]
    if lineage.num_fields > len(parts):
        parts += raw_fields([record.raw for record in batch.records], [record.fault for record in batch.records])
    return relation(known, properties, parts, schema)
