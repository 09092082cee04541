"""Answers that are no history at all: nothing lands, the message says why, the evidence is kept, and it heals."""

from __future__ import annotations

import gzip
import json as jsonlib

import pytest

from journey_pipeline import settings
from journey_pipeline.errors import ContractError, TransientVendorError
from journey_pipeline.vendors.sfmc.journey_history.stream import DEFAULT_COLUMNS
from journey_pipeline_tests.bad_input.bad_vendor import (
    DOWNLOAD,
    ESTIMATE,
    HOUR,
    NEXT_HOUR,
    PERSON,
    TOKEN,
    BadVendor,
    Line,
    assert_says,
    row,
    table,
)
from journey_pipeline_tests.transport.flaky_server import Piece, Reply, Seen, answer, close, head, json

pytestmark = pytest.mark.slow(reason="each bad answer goes from HTTP to the lake, and heals")

GOOD = table([row(1), row(2)])
HEADER, FIRST, SECOND = GOOD.splitlines()
TRIED = ("sfmc/journey_history 2026-11-20T05:00:00Z/2026-11-20T06:00:00Z", "POST http://127.0.0.1")
LOGIN = f"<!DOCTYPE html><html><head><title>Log in</title></head><body>Hello {PERSON}</body></html>".encode()


def arrives_once_the_vendor_is_well(line: Line, vendor: BadVendor) -> None:
    vendor.gives(GOOD, rows=2)
    line.arrived()
    assert line.ids() == ["id-1", "id-2"]


@pytest.mark.parametrize("as_gzip", [True, False])
@pytest.mark.parametrize(
    ("body", "came"),
    [
        pytest.param(LOGIN, "an HTML page (Log in) came in place of a CSV", id="an HTML page"),
        pytest.param(
            f'{{"message":"Internal error","errorcode":10006,"documentation":"{PERSON}"}}'.encode(),
            "a JSON error (message: Internal error, errorcode: 10006) came in place of a CSV",
            id="an error envelope",
        ),
        pytest.param(b"[]\n", "the CSV has no header", id="a JSON list"),
        pytest.param(
            b"\n".join([FIRST, SECOND, b""]), "names none of the 24 columns that the request named", id="no header"
        ),
        pytest.param(
            b"\n".join([b"{" + FIRST, SECOND, b""]), "text that begins with a brace came", id="no header, a brace"
        ),
        pytest.param(
            table([row(1)[:-1]], DEFAULT_COLUMNS[:-1]),
            "lacks what the request named, Result.Messages: its header has 23 columns",
            id="a column less",
        ),
        pytest.param(
            table([row(1)[:8]], DEFAULT_COLUMNS[:8]),
            "DefinitionId, DefinitionName, DefinitionInstanceId, ActivityId, ActivityName and 11 more",
            id="many columns less",
        ),
        pytest.param(b"\x00" * 100_000, "no line end within the first 64 KiB", id="no line"),
    ],
)
def test_an_answer_that_is_no_history_is_kept_as_evidence_and_heals(
    line: Line, vendor: BadVendor, body: bytes, came: str, as_gzip: bool
) -> None:
    vendor.gives(body, rows=2, as_gzip=as_gzip)
    error = line.refused()
    assert isinstance(error, ContractError)
    (kept,) = line.evidence()
    assert error.evidence == kept.relative_to(line.lake.home).as_posix()
    assert_says(error, *TRIED, came, error.evidence, "Nothing landed", "journey-pipeline backfill")
    assert kept.read_bytes().startswith(body[: 64 << 10])
    assert (error.vendor, error.connection, error.stream, error.status) == ("sfmc", "sfmc", "journey_history", 200)
    assert vendor.server.count(DOWNLOAD) == 1
    arrives_once_the_vendor_is_well(line, vendor)
    assert line.evidence() == [kept]


@pytest.mark.parametrize(
    ("reply", "came"),
    [
        (json("about two thousand"), "the estimate has no row count: its fields are none (a str)"),
        (json({"rowCount": "many"}), "no row count: its fields are rowCount"),
        (json({"rowCount": "NaN"}), "no row count: its fields are rowCount"),
        (answer(200, b'{"rowCount": Infinity}'), "no row count: its fields are rowCount"),
        (json({"rowCount": -1}), "no row count: its fields are rowCount"),
        (json({"rowCount": None, "fileSize": 12}), "no row count: its fields are fileSize, rowCount"),
        (answer(200, LOGIN), "a body that is not JSON"),
        (answer(200, b""), "a body that is not JSON (empty)"),
    ],
)
def test_an_estimate_that_is_no_number_stops_the_hour_before_its_download(
    line: Line, vendor: BadVendor, reply: Reply, came: str
) -> None:
    vendor.estimates(reply)
    error = line.refused()
    assert isinstance(error, ContractError)
    assert "sfmc/journey_history 2026-11-20T05" in str(error)
    assert ESTIMATE in str(error)
    assert came in str(error)
    assert vendor.server.count(DOWNLOAD) == 0
    arrives_once_the_vendor_is_well(line, vendor)


@pytest.mark.parametrize("body", [b'{"rowCount": 2', b'{"rowCount', b'{"rowCount": 2, "x": "ab', b'{"rowCount":'])
def test_an_estimate_that_was_cut_off_is_worth_another_try(line: Line, vendor: BadVendor, body: bytes) -> None:
    vendor.estimates([head(200, Connection="close") + body, close])
    error = line.refused()
    assert isinstance(error, TransientVendorError)
    assert_says(error, "JSON that ends in the middle", "it was cut off", ESTIMATE)
    arrives_once_the_vendor_is_well(line, vendor)


def test_a_row_count_written_as_text_is_a_row_count(line: Line, vendor: BadVendor) -> None:
    vendor.gives(GOOD, rows=2)
    vendor.estimates(json({"rowCount": "2"}))
    assert line.arrived().estimate_rows == 2


def test_an_answer_of_sixty_kilobytes_that_inflates_to_millions_of_line_feeds_is_an_hour_like_any_other(
    line: Line, vendor: BadVendor
) -> None:
    header, first, second = GOOD.splitlines()
    vendor.gives(header + b"\n" + first + b"\n" * (1 << 26) + second + b"\n", rows=2)
    assert line.arrived().landed == 2
    assert line.ids() == ["id-1", "id-2"]


def test_an_answer_larger_than_the_setting_is_refused_once_and_names_it(
    line: Line, vendor: BadVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.ANSWER_SIZE_VARIABLE, f"{1 / 1024}")
    vendor.gives(GOOD + b"\n" * (1 << 22), rows=2)
    error = line.refused()
    assert isinstance(error, ContractError)
    assert_says(error, "inflates to more than 1,048,576 bytes", settings.ANSWER_SIZE_VARIABLE)
    assert vendor.server.count(DOWNLOAD) == 1
    monkeypatch.delenv(settings.ANSWER_SIZE_VARIABLE)
    arrives_once_the_vendor_is_well(line, vendor)


def test_a_content_length_that_is_too_small_is_a_cut_or_told_by_the_estimate(line: Line, vendor: BadVendor) -> None:
    body = table([row(number) for number in range(40)])
    vendor.gives(b"", rows=40)
    vendor.downloads([head(200, Content_Length=str(len(body) - 20)) + body])
    assert_says(line.refused(), "the CSV ended without a line end")
    vendor.downloads([head(200, Content_Length=str(body.index(b"\nid-20") + 1)) + body])
    (outcome,) = line.load()
    assert [claim.name for claim in outcome.claims if not claim.holds] == ["rows_match_estimate"]


UNCLOSED = b"\n".join([HEADER, FIRST, FIRST.replace(b"Welcome", b'"Welcome'), SECOND, b""])
FOOTER = b"\n".join([HEADER, FIRST, f"id-9,{PERSON}".encode(), b""])
SHORT = FOOTER.rstrip()
ERROR_AT_END = b"\n".join([HEADER, FIRST, b'{"message":"Internal error"}', b""])


@pytest.mark.parametrize("as_gzip", [True, False])
@pytest.mark.parametrize(
    ("body", "came"),
    [
        pytest.param(UNCLOSED, "a quote is opened and never closed", id="an unclosed quote"),
        pytest.param(FOOTER, "the last record has 2 of 24 fields and its line end", id="a footer"),
        pytest.param(GOOD.decode().encode("utf-16"), "text in UTF-16", id="UTF-16"),
        pytest.param(gzip.compress(GOOD), "gzip inside of gzip", id="gzip in gzip"),
    ],
)
def test_a_fault_of_form_is_asked_for_once_and_kept_as_evidence(
    line: Line, vendor: BadVendor, body: bytes, came: str, as_gzip: bool
) -> None:
    vendor.gives(body, rows=3, as_gzip=as_gzip or body.startswith(b"\x1f"))
    error = line.refused()
    assert isinstance(error, ContractError)
    assert vendor.server.count(DOWNLOAD) == 1
    (kept,) = line.evidence()
    assert kept.read_bytes() == body
    assert error.evidence == kept.relative_to(line.lake.home).as_posix()
    assert_says(error, "POST http://127.0.0.1", came, error.evidence)
    arrives_once_the_vendor_is_well(line, vendor)


@pytest.mark.parametrize("quoted", [1, 2])
def test_a_quote_inside_a_bare_field_lands_counted_and_read_alike(line: Line, vendor: BadVendor, quoted: int) -> None:
    lines = [HEADER, *[FIRST.replace(b"Welcome", b'TV 55" sale')] * quoted, SECOND, b""]
    vendor.gives(b"\n".join(lines), rows=quoted + 1)
    assert line.arrived().landed == quoted + 1
    assert line.ids() == ["id-1", "id-2"]
    assert line.events("journey_name") == [('TV 55" sale',), ("Welcome",)]


@pytest.mark.parametrize("as_gzip", [True, False])
@pytest.mark.parametrize(
    ("body", "came"),
    [
        pytest.param(ERROR_AT_END, "ends with a JSON error", id="an error after the records"),
    ],
)
def test_what_looks_cut_off_on_every_try_down_to_the_shortest_window_is_a_broken_contract(
    line: Line, vendor: BadVendor, body: bytes, came: str, as_gzip: bool
) -> None:
    vendor.gives(body, rows=3, as_gzip=as_gzip)
    error = line.refused()
    assert isinstance(error, ContractError)
    (kept,) = line.evidence()
    assert error.evidence == kept.relative_to(line.lake.home).as_posix()
    assert_says(
        error, "POST http://127.0.0.1", came, "Every try gives the same", "Report it to the vendor", error.evidence
    )
    assert kept.read_bytes() == body
    assert vendor.server.count(DOWNLOAD) == 2 * 7  # an hour is halved six times; the same bytes twice are no accident
    arrives_once_the_vendor_is_well(line, vendor)


def test_what_looked_cut_off_once_leaves_no_evidence_when_the_next_try_is_well(line: Line, vendor: BadVendor) -> None:
    vendor.gives(GOOD, rows=2)
    well = answer(200, gzip.compress(GOOD), Content_Encoding="gzip")
    vendor.downloads(answer(200, gzip.compress(SHORT), Content_Encoding="gzip"), well)
    line.arrived()
    assert line.ids() == ["id-1", "id-2"]
    assert line.evidence() == []


def test_what_looks_cut_off_for_the_hour_and_is_well_in_halves_arrives_and_leaves_no_evidence(
    line: Line, vendor: BadVendor
) -> None:
    halves = [table([row(number)]) for number in (1, 2)]
    replies = [answer(200, gzip.compress(body), Content_Encoding="gzip") for body in [*[SHORT] * 2, *halves]]
    vendor.gives(b"", rows=1)
    vendor.downloads(*replies)
    line.arrived()
    assert line.ids() == ["id-1", "id-2"]
    assert line.evidence() == []
    assert vendor.server.count(DOWNLOAD) == 4


@pytest.mark.parametrize(
    ("packed", "came"),
    [
        pytest.param(gzip.compress(GOOD) + b"{}", "neither another member nor zeros", id="bytes after the trailer"),
        pytest.param(
            gzip.compress(GOOD)[:-8] + b"\0" * 4 + gzip.compress(GOOD)[-4:], "the gzip stream is broken", id="bad CRC"
        ),
    ],
)
def test_a_gzip_that_is_broken_with_the_same_bytes_is_asked_for_twice_and_never_in_halves(
    line: Line, vendor: BadVendor, packed: bytes, came: str
) -> None:
    vendor.gives(b"", rows=2)
    vendor.downloads(answer(200, packed, Content_Encoding="gzip"))
    error = line.refused()
    assert isinstance(error, ContractError)
    assert vendor.server.count(DOWNLOAD) == 2
    assert_says(error, came, "The same bytes came twice", "Report it to the vendor", "Nothing landed")
    arrives_once_the_vendor_is_well(line, vendor)


def test_a_gateway_that_cuts_what_is_too_large_at_the_same_byte_is_asked_for_halves(
    line: Line, vendor: BadVendor
) -> None:
    rows = [row(number, Message="x" * 500) for number in range(8)]
    most = 3000  # bytes that the gateway lets through: a properly ended answer, cut in its middle

    def gateway(asked: Seen) -> list[Piece]:
        window = jsonlib.loads(asked.body)
        body = table([one for one in rows if window["start"] <= one[1].replace(".000", "") < window["end"]])
        return answer(200, gzip.compress(body[:most]), Content_Encoding="gzip")

    vendor.gives(b"", rows=1)
    vendor.downloads(gateway)
    line.arrived()
    assert line.ids() == [f"id-{number}" for number in range(8)]


def test_no_byte_where_rows_are_estimated_is_asked_again_and_is_no_empty_hour(line: Line, vendor: BadVendor) -> None:
    vendor.gives(b"", rows=2)
    error = line.refused()
    assert isinstance(error, TransientVendorError)
    assert_says(error, "not a byte came, though the estimate has rows", "run it again later")
    assert line.evidence() == []
    arrives_once_the_vendor_is_well(line, vendor)


@pytest.mark.parametrize("body", [b"", HEADER, HEADER + b"\r\n"])
def test_no_rows_are_an_hour_of_their_own(line: Line, vendor: BadVendor, body: bytes) -> None:
    vendor.gives(body, rows=0)
    manifest = line.arrived()
    assert (manifest.landed, manifest.events.rows, manifest.rejects) == (0, 0, None)
    assert line.sync().broken == ()
    assert line.ask("select partition_key, landed, events, loaded from ops.partitions") == [("2026-11-20T05", 0, 0, 0)]


def test_a_bad_hour_does_not_take_the_others_with_it(line: Line, vendor: BadVendor) -> None:
    vendor.gives(GOOD, rows=2)
    well = answer(200, gzip.compress(GOOD), Content_Encoding="gzip")
    vendor.downloads(lambda asked: answer(200, LOGIN) if b"T05:00:00Z" in asked.body.split(b"end")[0] else well)
    bad, good = line.load(HOUR, NEXT_HOUR)
    assert isinstance(bad.error, ContractError)
    assert good.error is None
    assert line.ids() == ["id-1", "id-2"]


DEEP = "[" * 10_000 + "]" * 10_000


@pytest.mark.parametrize(
    "field", [f'"x":{"[" * 300 + "]" * 300}', '"x":"\\ud800"', '"\\ud800":1', '"x":NaN,"y":1e999', f'"x":{"9" * 5000}']
)
def test_an_odd_field_of_an_estimate_costs_no_hour(line: Line, vendor: BadVendor, field: str) -> None:
    vendor.gives(table([row(1), row(2)]), rows=2)
    vendor.estimates(answer(200, f'{{"rowCount":2,{field}}}'.encode()))
    assert line.arrived().events.rows == 2


@pytest.mark.parametrize("body", [DEEP, f'{{"rowCount":3,"x":{DEEP}}}', '{"\\ud800":1}'])
@pytest.mark.parametrize("status", [200, 400])
def test_json_that_can_not_be_held_is_refused_in_words_that_can_be_printed(
    line: Line, vendor: BadVendor, body: str, status: int
) -> None:
    vendor.estimates(answer(status, body.encode()))
    message = str(line.refused())
    assert message.encode()
    assert message.startswith("sfmc/journey_history 2026-11-20T05")


def test_a_message_of_the_vendor_with_half_a_letter_can_be_printed(line: Line, vendor: BadVendor) -> None:
    vendor.estimates(answer(400, b'{"message":"no \\ud800 such"}'))
    assert str(line.refused()).encode()


@pytest.mark.parametrize("place", ["http://[::1", "http://127.0.0.1:99999/", "http://a b/", "//", "ftp://x/y"])
def test_a_redirect_to_what_is_no_address_is_one_sentence(line: Line, vendor: BadVendor, place: str) -> None:
    vendor.gives(b"", rows=1)
    vendor.downloads([f"HTTP/1.1 302 X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()])
    assert str(line.refused()).startswith("sfmc/journey_history 2026-11-20T05")


@pytest.mark.parametrize("lifetime", ["0", "-5", "1e300", "NaN", '"soon"', "true", "[1]", "null"])
def test_whatever_a_token_says_of_its_life_the_hour_arrives(line: Line, vendor: BadVendor, lifetime: str) -> None:
    vendor.server.on(TOKEN, answer(200, f'{{"access_token":"token-of-4711","expires_in":{lifetime}}}'.encode()))
    vendor.gives(table([row(1)]), rows=1)
    assert line.arrived().events.rows == 1


@pytest.mark.parametrize(
    "wait", ["-5", "1e300", "9" * 20, "NaN", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "soon"]
)
def test_whatever_a_vendor_asks_to_wait_it_is_one_sentence(line: Line, vendor: BadVendor, wait: str) -> None:
    vendor.estimates([f"HTTP/1.1 429 X\r\nRetry-After: {wait}\r\nContent-Length: 0\r\n\r\n".encode()])
    assert "The vendor throttles" in str(line.refused())
