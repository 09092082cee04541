from __future__ import annotations

import io
import itertools

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import csv as pa_csv

from journey_pipeline.formats.csv_records import RecordCounter, TooLongError, split_records, without_line_end

# Few kinds of bytes, so that quotes, separators and line ends meet in every way.
ODD_BYTES = st.lists(st.sampled_from([b'"', b"\n", b"\r", b"\r\n", b"a", b"b c"]), max_size=40).map(b"".join)


def chunked(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


@given(ODD_BYTES, st.integers(1, 9))
def test_the_records_hold_every_byte_but_empty_lines_however_the_file_is_cut(content: bytes, size: int) -> None:
    whole = list(split_records([content], 1000))
    assert list(split_records(chunked(content, size), 1000)) == whole
    kept = b"".join(record.raw for record in whole)
    assert [byte for byte in kept if byte not in b"\r\n"] == [byte for byte in content if byte not in b"\r\n"]
    assert all(content[record.end - len(record.raw) : record.end] == record.raw for record in whole)


@given(ODD_BYTES, st.lists(st.integers(0, 60), max_size=12))
@example(b",\r\n", [])
@example(b'a\r\n"b\r\nc",d\r\n', [9])
def test_as_many_records_are_counted_as_are_cut_out_however_the_file_is_cut(content: bytes, cuts: list[int]) -> None:
    counter = RecordCounter()
    edges = [0, *sorted(cut for cut in cuts if cut < len(content)), len(content)]
    for start, end in itertools.pairwise(edges):
        counter.feed(content[start:end])
    counter.finish()
    records = list(split_records([content], 1000))
    assert counter.count == len(records)
    assert counter.inside_quotes is any(not record.closed for record in records)
    if records and not counter.inside_quotes:
        last = without_line_end(records[-1].raw)
        assert counter.last == last.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


@given(ODD_BYTES)
def test_records_end_where_the_fast_reader_ends_them(content: bytes) -> None:
    records = list(split_records([content], 1000))
    if not records or not all(record.closed for record in records):
        return
    widths = []

    def note(row: pa_csv.InvalidRow) -> str:
        widths.append((row.number, row.actual_columns))
        return "skip"

    fields = max(record.fields for record in records)
    names = [str(number) for number in range(fields)]
    table = pa_csv.open_csv(
        io.BytesIO(content),
        read_options=pa_csv.ReadOptions(use_threads=False, column_names=names),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note),
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    ).read_all()
    assert table.num_rows == sum(record.fields == fields for record in records)
    assert widths == [(n, record.fields) for n, record in enumerate(records, start=1) if record.fields != fields]


def test_a_quote_that_is_never_closed_is_said_of_the_last_record() -> None:
    records = list(split_records([b'a,b\nc,"d\ne,f\n'], 1000))
    assert [(record.raw, record.closed) for record in records] == [(b"a,b\n", True), (b'c,"d\ne,f\n', False)]


def test_a_quote_inside_a_bare_field_opens_nothing() -> None:
    records = list(split_records([b'he said "hi,x\ny,z\n'], 1000))
    assert [(record.fields, record.closed) for record in records] == [(2, True), (2, True)]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\r"])
def test_blank_lines_without_end_are_as_good_as_one(blank: bytes) -> None:
    piece = blank * 1000
    content = [b"a,b\n", *[piece] * 50, b'c,"', *[piece] * 2, b'"\n', *[piece] * 50]
    records = list(split_records(content, 10_000))
    assert [(record.raw[:3], record.end) for record in records] == [(b"a,b", 4), (b'c,"', 9 + 52 * len(piece))]
    counter = RecordCounter()
    for one in content:
        counter.feed(one)
    counter.finish()
    assert counter.count == 2


@pytest.mark.parametrize("content", [b"x" * 50, b'"' + b"x\n" * 50])
def test_a_record_longer_than_allowed_is_refused(content: bytes) -> None:
    with pytest.raises(TooLongError):
        list(split_records(chunked(content, 10), 20))


def test_only_one_line_end_is_taken_off_a_record() -> None:
    assert [without_line_end(raw) for raw in (b"a\r\n", b"a\n", b"a\r", b'"a\n"')] == [b"a", b"a", b"a", b'"a\n"']
