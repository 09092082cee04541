from __future__ import annotations

import csv
import gzip
import io
import itertools
import lzma
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline_tests.examples import examples

BOM = b"\xef\xbb\xbf"


def inspect(
    body: bytes,
    *,
    columns: Sequence[str] = ("Id", "Name"),
    cut_every: int = 0,
    verified: bool = True,
) -> CsvInspector:
    inspector = CsvInspector(columns)
    step = cut_every or len(body) or 1
    for start in range(0, len(body), step):
        inspector.feed(body[start : start + step])
    inspector.finish(verified=verified)
    return inspector


field = st.text(st.sampled_from('ab,"\n\r \té{<😀\x00'), max_size=6)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(field, min_size=width, max_size=width), min_size=1, max_size=12)
)


@settings(max_examples=examples(400))
@given(
    table=tables,
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    bom=st.booleans(),
    ended=st.booleans(),
    blanks=st.lists(st.integers(0, 60), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
@example(table=[["a"], ["\r\n\r\n"]], line_end="\r\n", bom=True, ended=False, blanks=[0, 0], cuts=[1, 2, 3, 4, 5, 6])
def test_records_are_counted_as_the_csv_module_counts_them(
    table: list[list[str]], line_end: str, *, bom: bool, ended: bool, blanks: list[int], cuts: list[int]
) -> None:
    lines = []
    for number, record in enumerate([[f"c{i}" for i in range(len(table[0]))], *table]):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerow(record)
        lines.append(text.getvalue() + line_end * blanks.count(number))
    text_in_full = "".join(lines)
    if not ended:
        text_in_full = text_in_full.rstrip("\r\n")
    expected = [record for record in csv.reader(io.StringIO(text_in_full, newline="")) if record]
    body = (BOM if bom else b"") + text_in_full.encode()

    inspector = CsvInspector()
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    for start, end in itertools.pairwise(edges):
        inspector.feed(body[start:end])
    inspector.finish(verified=True)

    assert inspector.rows == len(expected) - 1
    assert inspector.columns == tuple(expected[0])
    assert inspector.ends_with_newline is ended


@settings(max_examples=examples(200))
@given(
    table=st.lists(st.lists(st.text('ab ,"\n', max_size=5), min_size=2, max_size=2), max_size=8), cut=st.integers(1, 9)
)
def test_minimal_quoting_is_counted_the_same(table: list[list[str]], cut: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([["Id", "Name"], *table])
    inspector = inspect(text.getvalue().encode(), cut_every=cut)
    assert inspector.rows == len(table)


@pytest.mark.parametrize("cut_every", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", BOM])
def test_a_plain_file_is_counted(cut_every: int, line_end: bytes, bom: bytes) -> None:
    body = bom + line_end.join([b"Name,Id,Extra", b'"a ""b"""' + b",1,", b'"two' + line_end * 2 + b'lines",2,x', b""])
    inspector = inspect(body, cut_every=cut_every, verified=False)
    assert (inspector.rows, inspector.columns) == (2, ("Name", "Id", "Extra"))
    assert inspector.ends_with_newline
    assert not inspector.empty_body


@pytest.mark.parametrize("body", [b"Id,Name\n", b"Id,Name", b"Id,Name\r\n\r\n", BOM + b'"Id","Name"\n'])
def test_a_header_alone_is_an_empty_window(body: bytes) -> None:
    inspector = inspect(body)
    assert (inspector.rows, inspector.columns, inspector.empty_body) == (0, ("Id", "Name"), False)


@pytest.mark.parametrize("verified", [True, False])
def test_no_byte_at_all_is_reported_and_not_judged(verified: bool) -> None:
    inspector = inspect(b"", verified=verified)
    assert (inspector.empty_body, inspector.rows, inspector.columns) == (True, 0, ())


def test_columns_are_those_of_the_header_whatever_their_order_and_quotes() -> None:
    inspector = inspect(b'"Na,me","I\nd",x\n1,2,3\n', columns=("I\nd", "Na,me"))
    assert inspector.columns == ("Na,me", "I\nd", "x")


@pytest.mark.parametrize("cut_every", [0, 1])
def test_a_missing_column_is_a_broken_contract_that_names_it_and_shows_no_data(cut_every: int) -> None:
    with pytest.raises(ContractError, match="named, Name, Status: its header has 2 columns") as caught:
        inspect(b"Id,Ann Bell\n1,2\n", columns=("Id", "Name", "Status"), cut_every=cut_every)
    assert "Ann" not in str(caught.value)


@pytest.mark.parametrize("cut_every", [0, 1, 5])
@pytest.mark.parametrize("before", [b"", BOM, b" \r\n\t"])
@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (b'{"message":"Internal error","errorcode":10006}', "a JSON error.*Internal error"),
        (b'{\n "message": "Internal error"\n}\n', "a JSON error.*Internal error"),
        (b"<!DOCTYPE html>\n<html><title>502 Bad Gateway</title></html>\n", "an HTML page.*502 Bad Gateway"),
        (b"<html>502 Bad Gateway" + b" " * 100_000 + b"</html>", "an HTML page.*502 Bad Gateway"),
    ],
)
def test_an_error_page_is_a_broken_contract(page: bytes, kind: str, before: bytes, cut_every: int) -> None:
    with pytest.raises(ContractError, match=f"(?s){kind}"):
        inspect(before + page, cut_every=cut_every and max(cut_every, len(page) // 50), verified=False)


@pytest.mark.parametrize("body", [b"Id,Name\n1,a\n2", b"Id,Name\n1,a\n2,b", b"Id,Na", b"Id,Name\n1,a\n2,\xc3"])
def test_without_proof_a_missing_last_line_end_is_a_cut(body: bytes) -> None:
    with pytest.raises(TransientVendorError, match="without a line end"):
        inspect(body, verified=False)


def test_with_proof_a_last_line_needs_no_end() -> None:
    inspector = inspect(b"Id,Name\n1,a\n2,b")
    assert (inspector.rows, inspector.ends_with_newline) == (2, False)


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("cut_every", [0, 1, 3])
def test_a_quote_that_swallows_records_is_a_broken_contract(verified: bool, cut_every: int) -> None:
    with pytest.raises(ContractError, match="opened and never closed: the records from number 1 on"):
        inspect(b'Id,Name\n1,"a\n2,b\n', verified=verified, cut_every=cut_every)


@pytest.mark.parametrize("cut_every", [0, 1, 3])
@pytest.mark.parametrize("end", [b'2,"two', b'2,"two\nlines', b'2,"'])
def test_an_end_within_quotes_is_a_cut(end: bytes, cut_every: int) -> None:
    with pytest.raises(TransientVendorError, match="inside a quoted field"):
        inspect(b"Id,Name\n1,a\n" + end, cut_every=cut_every)


def test_a_last_record_that_is_too_short_is_a_cut() -> None:
    with pytest.raises(TransientVendorError, match="1 of 2 fields: the CSV was cut off"):
        inspect(b'Id,Name\n1,"a\n,b"\n2')


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n\n"])
def test_a_last_record_that_is_too_short_and_has_its_line_end_is_a_broken_contract(end: bytes) -> None:
    with pytest.raises(ContractError, match="1 of 2 fields and its line end"):
        inspect(b'Id,Name\n1,"a\n,b"\n2' + end)


def test_a_last_record_that_is_too_long_is_left_to_the_normalizer() -> None:
    assert inspect(b"Id,Name\n1,a\n2,b,c\n").rows == 2


@pytest.mark.parametrize(
    "error", [b'{"message":"x","errorcode":5}', b'{"message":"x, y"}\n', b'{"m":"a \\"quoted\\" b"}']
)
def test_a_json_error_after_the_records_is_a_cut(error: bytes) -> None:
    with pytest.raises(TransientVendorError, match="ends with a JSON error"):
        inspect(b'Id,Name\n1,"a"\n' + error)


def test_a_json_error_of_several_lines_is_a_cut() -> None:
    with pytest.raises(TransientVendorError, match="ends with a JSON error"):
        inspect(b'Id,Name\n1,a\n{\n "message": "x"\n}\n')


def test_json_within_a_field_is_data() -> None:
    inspector = inspect(b'Id,Name\n1,"{""a"": 1}"\n"{""b"":\n{}}",2\n')
    assert inspector.rows == 2


def test_a_last_record_larger_than_what_is_kept_is_not_judged() -> None:
    assert inspect(b'Id,Name\n1,"' + b"x" * 200_000 + b'"\n').rows == 1


def test_a_first_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(ContractError, match="first 64 KiB"):
        inspect(b"x" * 200_000 + b"\n", cut_every=4096)


def test_a_first_line_that_is_no_header_is_refused() -> None:
    with pytest.raises(ContractError, match="first 64 KiB"):
        inspect(b"x" * 200_000 + b"\n")


@pytest.mark.parametrize("cut_every", [0, 1])
@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("Id,Name\n1,a\n".encode("utf-16"), "text in UTF-16"),
        (b"\xfe\xff" + "Id,Name\n1,a\n".encode("utf-16-be"), "text in UTF-16"),
        ("Id,Name\n1,a\n".encode("utf-16-le"), "text in UTF-16 without a mark"),
        (gzip.compress(b"Id,Name\n1,a\n"), "gzip inside of gzip"),
        (zlib.compress(b"Id,Name\n1,a\n"), "compressed with zlib"),
        (lzma.compress(b"Id,Name\n1,a\n"), "compressed with xz"),
    ],
)
def test_a_form_that_is_no_utf_8_is_called_by_its_name(body: bytes, name: str, cut_every: int) -> None:
    with pytest.raises(ContractError, match=name):
        inspect(body, cut_every=cut_every)


def test_line_feeds_without_end_fill_no_memory() -> None:
    inspector = CsvInspector(["Id"])
    for _ in range(64):
        inspector.feed(b"\n" * (1 << 20))
    inspector.feed(b"Id\n1\n")
    inspector.finish(verified=True)
    assert inspector.rows == 1


@pytest.mark.parametrize("cut_every", [0, 1, 7])
@pytest.mark.parametrize("quotes", [1, 2])
def test_a_quote_inside_a_bare_field_is_a_plain_character(quotes: int, cut_every: int) -> None:
    rows = [b'1,TV 55" sale\n'] * quotes + [b'2,b\n3,"c, ""d""\n"\n']
    assert inspect(b"Id,Name\n" + b"".join(rows), cut_every=cut_every).rows == quotes + 2
