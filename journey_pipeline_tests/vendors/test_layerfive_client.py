from __future__ import annotations

import gzip
import json as jsonlib
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.errors import (
    ConfigError,
    ContractError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import pull
from journey_pipeline.model import Granularity, Window, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import Limits, Waits, no_waiting
from journey_pipeline.vendors.layerfive.client import ROUTE, TIMEOUTS, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    Piece,
    answer,
    chunked,
    close,
    gz,
    head,
    json,
    reset,
)
from journey_pipeline_tests.vendors.made_journeys import answer as body_of
from journey_pipeline_tests.vendors.made_journeys import record

KEY = "k-secret-0123456789"
WINDOW = partition_window("2026-11-19")
START = datetime(2026, 11, 1, tzinfo=UTC)
FAST = Limits(requests_per_s=1e9, concurrency=1)
BODY = body_of(record(n=1), record(n=2))


@pytest.fixture
def server() -> Iterator[FlakyServer]:
    server = FlakyServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def waits() -> Iterator[Waits]:
    with no_waiting() as waits:
        yield waits


@pytest.fixture
def name(server: FlakyServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection of its own, for whose server the variables are set."""
    name = f"layerfive_{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv(f"{name.upper()}_URL", f"{server.url}/")
    monkeypatch.setenv(f"{name.upper()}_API_KEY", KEY)
    return name


@pytest.fixture
def source(name: str) -> Iterator[CustomerJourneys]:
    source = source_of(name)
    yield source
    source.close()


def source_of(name: str, settings: MappingSettings | None = None, **client: Any) -> CustomerJourneys:
    stream = customer_journeys_stream(name, START, settings)
    return CustomerJourneys(LayerFiveClient(name, limits=FAST, **client), stream)


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_a_204_is_an_answer_without_records_that_the_lake_can_read(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    server.on(ROUTE, [head(204)])
    landing = pull(Lake(tmp_path), source, source.plan(WINDOW), now=lambda: WINDOW.end)
    assert [file.rows for file in landing.attempts[0].files] == [0]
    events = normalize(Lake(tmp_path), source.stream.key, WINDOW.partition, source.stream.recipe)
    assert (events.landed, events.events.rows) == (0, 0)
    assert server.count(ROUTE) == 1


BROKEN_LATE = b"[" + b"{}," * 2000 + b",{}]"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(BROKEN_LATE, (2, "it is broken in its middle"), id="broken in its middle"),
        pytest.param(BROKEN_LATE[:1000] + b"}", (1, "bracket of the wrong kind"), id="broken early"),
        pytest.param(BROKEN_LATE[:4000], (2, "it was cut off"), id="cut"),
        pytest.param(b"", (4, "is empty"), id="empty"),
    ],
)
def test_an_answer_that_can_not_be_had_is_asked_for_as_often_as_that_can_help(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, body: bytes, told: tuple[int, str]
) -> None:
    asked, came = told
    server.on(ROUTE, answer(body=gz(body), Content_Encoding="gzip"))
    with pytest.raises(ContractError if body else TransientVendorError, match=came):
        pull(Lake(tmp_path), source, source.plan(WINDOW), now=lambda: WINDOW.end)
    assert server.count(ROUTE) == asked


def test_a_day_is_asked_for_a_day_early_and_lands_as_it_came(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    packed = gz(BODY)
    server.on(ROUTE, answer(body=packed, Content_Encoding="gzip", Content_Type="application/json"))
    part = source.download(source.plan(WINDOW), Place(tmp_path / "part-0.json.gz"), estimate=source.estimate(WINDOW))
    (asked,) = server.seen
    assert (asked.method, asked.path, asked.query) == ("GET", ROUTE, "event_date=2026-11-18")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.headers["accept"], asked.headers["accept-encoding"]) == ("application/json", "gzip")
    assert part.path.read_bytes() == packed
    assert (part.rows, part.promised_rows, part.next_page, part.received_as) == (2, 2, None, "gzip")
    assert part.columns == ("individual_id", "event_time", "n")
    assert (part.window, part.raw_bytes) == (WINDOW, len(BODY))


@pytest.mark.parametrize(
    ("timezone", "overlap_days", "asked"),
    [
        ("UTC", 0, "2026-11-19"),
        ("UTC", 3, "2026-11-16"),
        ("America/New_York", 0, "2026-11-18"),
        ("Asia/Tokyo", 0, "2026-11-19"),
    ],
)
def test_the_day_asked_for_is_the_accounts_in_which_the_window_starts(
    name: str, timezone: str, overlap_days: int, asked: str
) -> None:
    stream = customer_journeys_stream(name, START, MappingSettings(timezone=timezone), overlap_days=overlap_days)
    source = CustomerJourneys(LayerFiveClient(name), stream, overlap_days=overlap_days)
    assert source.request(WINDOW) == {"event_date": asked}
    source.close()


def test_the_key_goes_where_the_connection_says(server: FlakyServer, name: str, tmp_path: Path) -> None:
    server.on(ROUTE, answer(body=BODY))
    source = source_of(name, auth_header="X-API-Key", auth_scheme="")
    source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None)
    source.close()
    assert server.seen[0].headers["x-api-key"] == KEY
    assert "authorization" not in server.seen[0].headers


def test_what_is_known_of_the_stream_beforehand(name: str, source: CustomerJourneys) -> None:
    stream = source.stream
    assert (str(stream.key), stream.key.vendor, stream.granularity) == (
        f"{name}/customer_journeys",
        "layerfive",
        Granularity.DAY,
    )
    assert (stream.requests_per_answer, stream.recipe.extension) == (1, "json.gz")
    assert (stream.reach.back, stream.reach.onward) == (timedelta(days=91), timedelta.max)
    assert timedelta(days=88) < stream.retention < timedelta(days=89)
    assert (source.concurrency, source.smaller(source.plan(WINDOW))) == (1, ())
    assert source.estimate(WINDOW) is None
    assert source.freshness(datetime(2026, 11, 20, 3, tzinfo=UTC)).until == datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert TIMEOUTS.first_byte_s == 600


@pytest.mark.parametrize("slash", ["/", "absolute"])
def test_a_redirect_to_the_path_with_a_slash_is_followed_on_the_host(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, slash: str
) -> None:
    target = f"{ROUTE}/?event_date=2026-11-18"
    where = target if slash == "/" else server.url + target
    server.on(ROUTE, answer(301, Location=where))
    server.on(f"{ROUTE}/", answer(body=BODY))
    assert source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None).rows == 2
    assert server.seen[1].query == "event_date=2026-11-18"
    assert server.seen[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_redirect_to_another_host_is_an_error_and_nobody_is_asked_there(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    other = FlakyServer()
    other.on("/", answer(body=BODY))
    server.on(ROUTE, answer(302, Location=f"{other.url}/"))
    try:
        with pytest.raises(PermanentVendorError, match="another host"):
            source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None)
        assert other.seen == []
    finally:
        other.close()


def pages(server: FlakyServer, *links: Any) -> None:
    """A page for each link and one more; each but the last goes on at its link, the first one being the answer."""
    bodies = [body_of(record(page=number), count=99, next=link) for number, link in enumerate([*links, None])]
    server.on(ROUTE, *[answer(body=body) for body in bodies])


def all_pages(source: CustomerJourneys, folder: Path) -> list[Any]:
    parts = [source.download(source.plan(WINDOW), Place(folder / "0.gz"), estimate=None)]
    while parts[-1].next_page:
        to = folder / f"{len(parts)}.gz"
        parts.append(source.download(source.plan(WINDOW), Place(to), estimate=None, after=parts[-1]))
    return parts


def test_next_links_are_followed_absolute_and_relative_with_the_key(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    https = server.url.replace("http://", "https://")
    pages(
        server,
        "?event_date=2026-11-18&page=2",
        f"{ROUTE}?page=3",
        f"{server.url}{ROUTE}?page=4",
        f"{https}{ROUTE}?page=5",
    )
    parts = all_pages(source, tmp_path)
    assert [seen.query for seen in server.seen] == [
        "event_date=2026-11-18",
        "event_date=2026-11-18&page=2",
        "page=3",
        "page=4",
        "page=5",
    ]
    assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in server.seen)
    assert [part.rows for part in parts] == [1] * 5
    assert [part.promised_rows for part in parts] == [None] * 4 + [99]


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/x",
        "//elsewhere.example/x",
        "http://127.0.0.1:1/x",
        "javascript:x",
        "http://[",
        2,
        "x" * 100_000,
    ],
)
def test_a_next_link_to_another_host_is_not_followed(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, link: Any
) -> None:
    pages(server, link)
    with pytest.raises(ContractError, match=r"another host|no link") as caught:
        all_pages(source, tmp_path)
    assert len(server.seen) == 1
    assert "/x" not in str(caught.value)


def test_pages_that_lead_around_are_noticed(server: FlakyServer, source: CustomerJourneys, tmp_path: Path) -> None:
    pages(server, "?page=2", "?page=3", "?page=2")
    with pytest.raises(ContractError, match="lead back"):
        all_pages(source, tmp_path)
    assert len(server.seen) == 3


def test_a_page_that_was_cut_off_can_be_asked_for_again(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    first, second = body_of(record(), next="?page=2"), body_of(record(n=2), next="?page=3")
    broken = [answer(500)] * 4
    server.on(ROUTE, answer(body=first), *broken, answer(body=second), answer(body=BODY))
    part = source.download(source.plan(WINDOW), Place(tmp_path / "0.gz"), estimate=None)
    with pytest.raises(TransientVendorError):
        source.download(source.plan(WINDOW), Place(tmp_path / "1.gz"), estimate=None, after=part)
    again = source.download(source.plan(WINDOW), Place(tmp_path / "1.gz"), estimate=None, after=part)
    assert source.download(source.plan(WINDOW), Place(tmp_path / "2.gz"), estimate=None, after=again).rows == 2


INSIDE_STRING = BODY[: BODY.index(b"individual_id") + 4]
BETWEEN = BODY[: BODY.index(b"}, {") + 1]
BEFORE_END = BODY[:-1]


@pytest.mark.parametrize("cut", [INSIDE_STRING, BETWEEN, BEFORE_END, b"", b"{", BODY[:9]])
@pytest.mark.parametrize("form", ["length", "chunked", "closed", "gzip"])
def test_a_cut_body_is_never_a_landing(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, cut: bytes, form: str
) -> None:
    packed = gz(BODY)
    cuts: dict[str, list[Piece]] = {
        "length": [head(Content_Length=str(len(BODY))) + cut, reset],
        "chunked": chunked(cut, ended=False) if cut else [head(Transfer_Encoding="chunked"), reset],
        "closed": [head(Connection="close") + cut, close],
        "gzip": answer(body=packed[: len(packed) * len(cut) // len(BODY)], Content_Encoding="gzip"),
    }
    server.on(ROUTE, cuts[form])
    to = tmp_path / "a.gz"
    with pytest.raises(TransientVendorError):
        source.download(source.plan(WINDOW), Place(to), estimate=None)
    assert len(server.seen) == (2 if form == "closed" and cut else 4)  # to the wire such an end is a proper one
    assert not to.exists()
    server.on(ROUTE, cuts[form], answer(body=BODY))
    assert source.download(source.plan(WINDOW), Place(to), estimate=None).rows == 2
    assert content(to) == BODY


@pytest.mark.parametrize(
    "refusal",
    [
        (json({"event_date": ["wrong"]}, 400), PermanentVendorError, "400"),
        (json({"detail": "Invalid token."}, 401), PermanentVendorError, "_API_KEY"),
        (json({"detail": "No scope."}, 403), PermanentVendorError, "_API_KEY"),
        (json({"detail": "Not found."}, 404), PermanentVendorError, "_URL"),
        (answer(429, Retry_After="5"), TransientVendorError, "429"),
        (answer(429, Retry_After="4000"), TransientVendorError, "4000 s"),
        (answer(503), TransientVendorError, "503"),
        (answer(body=b"<html><title>Sign in</title></html>"), ContractError, "HTML page .Sign in."),
        (answer(body=b"  <!doctype html>" + b"x" * 9000), ContractError, "HTML page"),
        (json({"detail": "Try ana@example.org later"}), ContractError, "JSON error"),
        (json({"error": {"code": 5}}), ContractError, "JSON error .error."),
        (json("ok"), ContractError, "does not begin"),
        (answer(body=b"Internal error"), ContractError, "does not begin"),
    ],
)
def test_each_refusal_is_of_its_class_and_says_what_to_do(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, refusal: tuple[Any, type[VendorError], str]
) -> None:
    reply, error, told = refusal
    name = source.stream.key.connection
    server.on(ROUTE, reply)
    with pytest.raises(error, match=told) as caught:
        source.download(source.plan(WINDOW), Place(tmp_path / "a.gz", evidence=tmp_path / "evidence"), estimate=None)
    assert type(caught.value) is error
    assert (caught.value.vendor, caught.value.connection, caught.value.stream) == (
        "layerfive",
        name,
        "customer_journeys",
    )
    assert KEY not in str(caught.value)
    assert "ana@" not in str(caught.value)
    assert not (tmp_path / "a.gz").exists()
    assert (tmp_path / "evidence").exists() is (error is ContractError)
    assert len(server.seen) == (4 if told in {"429", "503"} else 1)


def test_what_stops_being_json_late_is_tried_again(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    long = body_of(*[record(n=number) for number in range(500)])
    server.on(ROUTE, answer(body=long[:-2] + b"}" + long[-1:]), answer(body=long))
    assert source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None).rows == 500
    assert len(server.seen) == 2


def test_a_person_is_asked_for_by_an_encoded_address(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on(ROUTE, answer(500), answer(body=BODY))
    part = source.person("Ana+b@Example.org", tmp_path / "a.gz")
    assert server.seen[-1].query == "email=Ana%2Bb%40Example.org"
    assert (part.rows, content(part.path)) == (2, BODY)
    assert source.person_reach == timedelta(days=90)
    assert "xample.org" not in caplog.text


def test_a_person_that_nobody_knows_is_an_answer_without_records(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    server.on(ROUTE, json({"detail": "Not found."}, 404))
    part = source.person("nobody@example.org", tmp_path / "a.gz")
    assert (part.rows, jsonlib.loads(content(part.path))) == (0, [])
    assert part.bytes == len(part.path.read_bytes())


def test_pages_of_a_person_are_put_together(server: FlakyServer, source: CustomerJourneys, tmp_path: Path) -> None:
    pages(server, "?page=2", "?page=3")
    part = source.person("ana@example.org", tmp_path / "a.gz")
    assert [entry["page"] for entry in jsonlib.loads(content(part.path))] == [0, 1, 2]
    assert (part.rows, part.next_page) == (3, None)
    assert list(tmp_path.iterdir()) == [part.path]


def test_a_check_says_what_is_read_from_where_and_never_a_value(server: FlakyServer, name: str) -> None:
    entry = {
        "hit": {"at": "2026-11-19"},
        "individual_id": "SECRET",
        "email": "SECRET@example.org",
        "Event_Type": "SECRET",
    }
    server.on(ROUTE, answer(body=body_of(entry)))
    source = source_of(name, MappingSettings(fields={"occurred_at": "hit.at", "journey_id": "cid"}))
    told = source.check()
    source.close()
    assert server.seen[0].query == ""
    assert told == {
        "answer": "1 events looked at",
        "occurred_at": "from hit.at (declared)",
        "contact_id": "from individual_id",
        "email": "from email",
        "vendor_action": "from Event_Type",
        "journey_id": "from cid (declared), which none of them has",
        "missing": "journey_name, activity_id, activity_name, channel, event_id",
    }


def test_a_check_reads_no_more_of_a_long_answer_than_its_first_records(
    server: FlakyServer, source: CustomerJourneys
) -> None:
    body = body_of(*[record(text="x" * 3000) for _ in range(1500)])
    server.on(ROUTE, [head(Content_Length=str(10 * len(body))) + body, close])
    assert source.check()["answer"] == "1000 events looked at"
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"results": [{"when": 1}]}', "occurred_at: when"),
        (b'{"status": "ok"}', "without an array of records; its members: status"),
    ],
)
def test_a_check_of_an_answer_that_cannot_be_mapped_fails_with_its_names(
    server: FlakyServer, source: CustomerJourneys, body: bytes, told: str
) -> None:
    server.on(ROUTE, answer(body=body))
    with pytest.raises(ContractError, match=told):
        source.check()


def test_a_check_without_records_says_so(server: FlakyServer, source: CustomerJourneys) -> None:
    server.on(ROUTE, answer(body=body_of()))
    assert "no records" in source.check()["answer"]


def test_a_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"{name.upper()}_API_KEY")
    with pytest.raises(ConfigError, match=f"{name.upper()}_API_KEY"):
        LayerFiveClient(name)


@pytest.mark.parametrize("count", [7, None, "2", True, -5, 10**20, 10**400])
def test_a_count_that_differs_is_told_and_one_that_is_no_number_is_not(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path, count: Any
) -> None:
    server.on(ROUTE, answer(body=body_of(record(), count=count)))
    part = source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None)
    assert (part.rows, part.promised_rows) == (1, 7 if count == 7 else None)


def test_a_count_of_persons_is_no_count_of_their_touches(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    person = {"individual_id": "p", "touchpoints": [{"time": 1}, {"time": 2}]}
    server.on(ROUTE, answer(body=body_of(person, person)))
    part = source.download(source.plan(WINDOW), Place(tmp_path / "a.gz"), estimate=None)
    assert (part.rows, part.promised_rows) == (4, 4)
    assert part.columns == ("time", "individual_id")


def test_another_window_of_the_same_source_starts_over(
    server: FlakyServer, source: CustomerJourneys, tmp_path: Path
) -> None:
    server.on(ROUTE, *[answer(body=body_of(record(), next="?page=2")), answer(body=BODY)] * 2)
    assert len(all_pages(source, tmp_path)) == len(all_pages(source, tmp_path)) == 2
    assert source.request(Window(WINDOW.end, WINDOW.end + timedelta(days=1))) == {"event_date": "2026-11-19"}
    assert date.fromisoformat(source.request(WINDOW)["event_date"]) == date(2026, 11, 18)
