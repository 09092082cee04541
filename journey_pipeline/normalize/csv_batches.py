"""The records of a landed CSV as Arrow batches of text: at full speed while it is regular, record by record where not.

Fields are text, or NULL where they were empty. Not here: cutting raw records (`formats/csv_records.py`), from these
columns to the relation that a recipe reads (`relation.py`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
from pyarrow import csv as pa_csv

from journey_pipeline.errors import LakeError
from journey_pipeline.formats.csv_records import RawRecord, TooLongError, split_records, without_line_end
from journey_pipeline.normalize.landed_file import Inflated, LandedCsv


class IrregularError(Exception):
    """The file holds something that the fast reader can't take: read it record by record."""


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
                yield CsvBatch(batch.columns, pa.array(range(number + 1, number + count + 1), pa.int64()))
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
        delimiter = landed.delimiter.encode()
        try:
            for number, record in enumerate(split_records(content.chunks(), delimiter, longest_bytes), start=1):
                yield _check(number, record, len(landed.header), delimiter)
        except TooLongError as error:
            raise LongRecordError from error


def _check(number: int, record: RawRecord, expected: int, delimiter: bytes) -> CheckedRecord:
    raw = without_line_end(record.raw) if record.closed else record.raw
    empty = delimiter * (expected - 1) if expected > 1 else b'""'
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
            parse_options=pa_csv.ParseOptions(delimiter=landed.delimiter, newlines_in_values=True),
            convert_options=pa_csv.ConvertOptions(
                column_types=types, strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):  # a header and nothing after it
            return
        raise
    yield from reader
