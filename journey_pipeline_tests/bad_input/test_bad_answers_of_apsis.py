"""Hostile values in what APSIS One answers to orders and polls, and in the files of both exports, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.apsis.client import EMAIL_REPORTS, PROFILE_EXPORTS
from journey_pipeline_tests.bad_input.bad_apsis import (
    FILE,
    GOOD_PROFILES,
    NOW,
    POLL,
    REPORT,
    TOKEN,
    BadApsis,
    emails,
)
from journey_pipeline_tests.new_home import put_warehouse
from journey_pipeline_tests.transport.flaky_server import FlakyServer, answer, json

HUGE = b"9" * 400
DEEP = b"[" * 2000 + b"]" * 2000
# As they stand in JSON, though no writer makes some of them.
VALUES = {
    "null": b"null",
    "true": b"true",
    "negative": b"-1",
    "zero": b"0",
    "1e300": b"1e300",
    "10 ** 400": HUGE,
    "10 ** 5000": b"9" * 5000,
    "2 ** 64": b"18446744073709551616",
    "NaN": b"NaN",
    "-Infinity": b"-Infinity",
    "a fraction": b"1795075200123.7",
    "a list": b"[1,[2]]",
    "an object": b'{"a":{"b":1}}',
    "empty": b'""',
    "half a pair": b'"\\ud800x"',
    "NUL": b'"a\\u0000b"',
    "year 0": b'"0000-01-01T00:00:00Z"',
    "BC": b'"0044-03-15 (BC) 12:00:00"',
    "year 10000": b'"10000-01-01T00:00:00Z"',
    "ms of year 10000": b"253402300800000",
    "infinity": b'"infinity"',
    "nested": b"[" * 100 + b"]" * 100,
    "long": b'"' + b"x" * 100_000 + b'"',
    "blank": b'"   "',
    "escape": b'"\\u001b[31mred"',
}
TIMES = b'"sourceEventTime":1795075200123,"createdAt":1795075201000,"typeId":"5512"'
# Where a value stands in a profile; every profile has one good event besides, which may not be lost with it.
PLACES = {
    "event": b'{"sections":{"1234":{"attributes":{},"events":[@@,{GOOD}]}}}',
    "correlationId": b'{"sections":{"1234":{"events":[{"correlationId":@@,' + TIMES + b"},{GOOD}]}}}",
    "sourceEventTime": b'{"sections":{"1234":{"events":[{"correlationId":"ID","sourceEventTime":@@,'
    b'"createdAt":1795075201000,"typeId":"5512"},{GOOD}]}}}',
    "createdAt": b'{"sections":{"1234":{"events":[{"correlationId":"ID","sourceEventTime":1795075200123,'
    b'"createdAt":@@,"typeId":"5512"},{GOOD}]}}}',
    "typeId": b'{"sections":{"1234":{"events":[{"correlationId":"ID","sourceEventTime":1795075200123,'
    b'"createdAt":1795075201000,"typeId":@@},{GOOD}]}}}',
    "data": b'{"sections":{"1234":{"events":[{"correlationId":"ID",' + TIMES + b',"data":@@},{GOOD}]}}}',
    "content": b'{"sections":{"1234":{"events":[{' + TIMES + b',"data":{"automationId":@@,"x":@@}},{GOOD}]}}}',
    "attribute": b'{"sections":{"1234":{"attributes":{"88":{"value":@@},"7731":@@},"events":[{GOOD}]}}}',
    "section": b'{"sections":{"77":@@,"1234":{"events":[{GOOD}]}}}',
}


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BadApsis]:
    server = FlakyServer()
    made = BadApsis(server, Lake(put_warehouse(tmp_path / "home")))
    for name, value in made.environment().items():
        monkeypatch.setenv(name, value)
    try:
        with no_waiting():
            yield made
    finally:
        made.ledger.close()
        server.close()


def test_no_value_in_a_profile_loses_an_event_beside_it(vendor: BadApsis) -> None:
    profiles, good, rows = [], set(), 0
    for place, text in PLACES.items():
        for name, value in VALUES.items():
            key = f"{place}/{name}"
            good.add(f"good {key}")
            event = f'{{"correlationId":"good {key}",'.encode() + TIMES + b"}"
            profile = text.replace(b"{GOOD}", event).replace(b'"ID"', f'"id {key}"'.encode()).replace(b"@@", value)
            profiles.append(f'"{key}":'.encode() + profile)
            rows += 1 if place in {"attribute", "section"} else 2
    deep = PLACES["data"].replace(b"{GOOD}", b'{"correlationId":"good deep",' + TIMES + b"}").replace(b"@@", DEEP)
    vendor.gives_profiles(b'{"profiles":{"deep":' + deep + b"," + b",".join(profiles) + b"}}")
    events = vendor.arrives("profile_events")
    assert events.landed == rows + 1
    found = {one for (one,) in vendor.ask("select properties ->> '$.correlation_id' from core.journey_events")}
    rejects = vendor.ask("select reason, raw from ops.rejects order by all")
    # A section that is none takes its profile along, whose text is kept.
    missing = good - found
    assert missing <= {f"good section/{name}" for name in VALUES}
    assert all(any(one in raw for _, raw in rejects) for one in (*missing, "good deep"))
    assert {reason for reason, _ in rejects} == {
        "no JSON as it is expected (RecursionError)",
        "not a JSON object",
        "not a profile with sections",
        "no time",
    }
    years = vendor.ask("select distinct year(occurred_at) from core.journey_events where occurred_at is not null")
    assert years == [(2026,)]


def test_no_number_is_text_in_a_profile_and_what_only_looks_like_it_stays(vendor: BadApsis) -> None:
    held = b'"data":{"a":NaN,"b":-Infinity,"c":"NaN, \\"Infinity","NaN":1}'
    vendor.gives_profiles(GOOD_PROFILES.replace(b'"data":{}', held))
    vendor.arrives("profile_events")
    assert vendor.ask("select properties ->> '$.data' from core.journey_events") == [
        ('{"a":"NaN","b":"-Infinity","c":"NaN, \\"Infinity","NaN":1}',)
    ]


def test_no_value_in_a_report_loses_its_record(vendor: BadApsis) -> None:
    fields = ("activity_id", "address", "type", "correlation_id", "event_time", "server_time", "device", "bounce_code")
    texts = {name: value.strip(b'"').decode().replace("\\u0000", "\0") for name, value in VALUES.items()}
    records = [{"correlation_id": f"{field}/{name}", field: value} for field in fields for name, value in texts.items()]
    vendor.gives_emails(emails({"correlation_id": "good"}, *records))
    events = vendor.arrives("email_events")
    assert events.landed == len(records) + 1
    told = vendor.ask(
        "select count(*) from (select event_key from core.journey_events union all select null from ops.rejects)"
    )
    assert told[0][0] >= len(records) + 1 - len(VALUES)  # without a correlation id the same content is one event
    assert vendor.ask("select distinct year(occurred_at) from core.journey_events") == [(2026,)]


ADDRESSES = {
    "a word": b'"ready soon"',
    "a number": HUGE,
    "empty": b'""',
    "blank": b'"   "',
    "an object": b'{"href":"x"}',
    "null": b"null",
    "another scheme": b'"ftp://x/y"',
    "a file": b'"file:///etc/passwd"',
}
UNSENDABLE = {
    "half an IPv6 address": b'"https://["',
    "a port too high": b'"http://127.0.0.1:99999/x"',
    "no host": b'"http://"',
    "a blank in the host": b'"http://exa mple.org/x"',
}


@pytest.mark.parametrize("value", ADDRESSES.values(), ids=ADDRESSES)
def test_an_order_whose_answer_has_no_address_says_so_and_waits_for_nothing(vendor: BadApsis, value: bytes) -> None:
    vendor.on(PROFILE_EXPORTS, answer(202, b'{"export_id":"ex-1","file_download_url":' + value + b"}"))
    says = vendor.refuses("profile_events")
    assert "names no address to poll: its fields are export_id, file_download_url" in says
    assert vendor.naps == 0


@pytest.mark.parametrize("value", [ADDRESSES["a word"], ADDRESSES["null"], ADDRESSES["a file"]], ids=str)
def test_a_report_that_is_completed_without_an_address_says_so(vendor: BadApsis, value: bytes) -> None:
    vendor.on(REPORT, answer(200, b'{"status":"completed","file_download_url":' + value + b"}"))
    vendor.policy = vendor.patient(timedelta(minutes=5))
    says = vendor.refuses("email_events")
    assert "is completed without a link: the answer's fields are file_download_url, status" in says
    assert vendor.server.count(EMAIL_REPORTS) == 1


@pytest.mark.parametrize("value", UNSENDABLE.values(), ids=UNSENDABLE)
@pytest.mark.parametrize("stream", ["profile_events", "email_events"])
def test_an_address_that_nothing_can_be_sent_to_stops_the_export_with_a_sentence(
    vendor: BadApsis, stream: str, value: bytes
) -> None:
    vendor.on(PROFILE_EXPORTS, answer(202, b'{"file_download_url":' + value + b"}"))
    vendor.on(REPORT, answer(200, b'{"status":"completed","file_download_url":' + value + b"}"))
    assert "can't be sent" in vendor.refuses(stream)
    assert vendor.at - NOW < timedelta(minutes=1)


def test_an_address_of_any_length_leaves_the_message_readable(vendor: BadApsis) -> None:
    vendor.on(PROFILE_EXPORTS, json({"file_download_url": f"{vendor.server.url}/{'x' * 50_000}"}, 202))
    vendor.on(f"/{'x' * 50_000}", answer(400, b"no"))
    assert len(vendor.refuses("profile_events")) < 1000


@pytest.mark.parametrize("value", [b"null", b"true", b"1e300", b"NaN", b'""', b"[]", b"{}", DEEP], ids=str)
def test_a_report_without_an_id_is_told(vendor: BadApsis, value: bytes) -> None:
    vendor.on(EMAIL_REPORTS, answer(202, b'{"report_id":' + value + b"}"))
    assert "has no report_id: its fields are" in vendor.refuses("email_events")


def test_a_report_that_the_vendor_does_not_know_ends_with_a_person_after_some_orders(vendor: BadApsis) -> None:
    vendor.on(EMAIL_REPORTS, json({"report_id": 10**400}, 202))
    says = vendor.refuses("email_events")
    assert "needs a person: answered 404: the report is not there. `journey-pipeline exports` lists it;" in says
    assert vendor.server.count(EMAIL_REPORTS) == vendor.policy.loss_ceiling


FOREVER = ("9" * 30, "Fri, 31 Dec 9999 23:59:59 GMT")
UNREADABLE = ("-5", "NaN", "1e300", "", "Fri, 99 Foo 2026 00:00:00 GMT", "Sat, 01 Jan 0000 00:00:00 GMT")


@pytest.mark.parametrize(
    ("stream", "path", "status", "asks"),
    [
        ("profile_events", PROFILE_EXPORTS, 429, FOREVER[0]),
        ("profile_events", POLL, 404, FOREVER[1]),
        ("profile_events", POLL, 503, FOREVER[0]),
        ("email_events", REPORT, 429, FOREVER[1]),
        ("email_events", FILE, 429, FOREVER[0]),
    ],
)
def test_a_vendor_that_asks_to_wait_for_ever_is_asked_again_after_a_day(
    vendor: BadApsis, stream: str, path: str, status: int, asks: str
) -> None:
    vendor.first(path, answer(status, Retry_After=asks))
    vendor.policy = vendor.patient()
    assert vendor.load(stream, normalize=False).error is None
    assert timedelta(hours=23) < vendor.at - NOW <= timedelta(days=1, minutes=5)


@pytest.mark.parametrize(("asks", "path"), [*zip(UNREADABLE, [PROFILE_EXPORTS, POLL, TOKEN] * 2, strict=True)])
def test_a_wait_that_can_not_be_read_is_none(vendor: BadApsis, path: str, asks: str) -> None:
    vendor.first(path, answer(429, Retry_After=asks))
    assert vendor.load("profile_events", normalize=False).error is None
    assert vendor.at - NOW < timedelta(minutes=5)
