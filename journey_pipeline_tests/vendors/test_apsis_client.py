"""What the client does where the vendor, or whoever is between, behaves as no good one would."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from journey_pipeline.errors import ConfigError, ContractError, PermanentVendorError, TransientVendorError
from journey_pipeline.model import partition_window
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.email_events.stream import NEEDED_COLUMNS, EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.orders import Account
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline.vendors.source import Plan, Ticket
from journey_pipeline_tests.transport.flaky_server import (
    FlakyServer,
    Piece,
    Seen,
    answer,
    close,
    drip,
    gz,
    head,
    json,
    stall,
)

DAY = partition_window("2026-11-18")
TOKEN = "file-token-that-nobody-sees"


class Vendor:
    """A token route that numbers its tokens."""

    def __init__(self, server: FlakyServer) -> None:
        self.server = server
        self.numbers = itertools.count(1)
        server.on("/oauth/token", self.mint)

    def mint(self, _seen: Seen) -> Iterable[Piece]:
        return json({"access_token": f"token-number-{next(self.numbers)}", "expires_in": 86_400})

    def bearers(self, path: str) -> list[str | None]:
        return [seen.headers.get("authorization") for seen in self.server.seen if seen.path == path]


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    server = FlakyServer()
    with no_waiting():
        yield Vendor(server)
    server.close()


@pytest.fixture
def client(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApsisClient]:
    monkeypatch.setenv("APSIS_URL", vendor.server.url)
    monkeypatch.setenv("APSIS_CLIENT_ID", "the-client")
    monkeypatch.setenv("APSIS_CLIENT_SECRET", "hush-hush-secret")
    client = ApsisClient("apsis", limits=Limits(requests_per_s=1e9, concurrency=8))
    yield client
    client.close()


@pytest.fixture
def hurried(client: ApsisClient) -> Iterator[ApsisClient]:
    """One that has no patience with polls and orders, and all of it with anything else."""
    unlimited = Limits(requests_per_s=1e9, concurrency=8)
    hurried = ApsisClient(client.connection, limits=unlimited, poll_s=0.5, order_s=0.5)
    yield hurried
    hurried.close()


def taken(client: ApsisClient, link: str, to: Path) -> int:
    got = client.take_emails(link, TOKEN, Place(to), inspector=lambda: CsvInspector(("a",)), window=None)
    rows: int = got.inspector.rows
    return rows


def test_a_403_that_says_expired_renews_the_token_once(vendor: Vendor, client: ApsisClient) -> None:
    refusal = answer(403, b"Your access token has EXPIRED.")
    vendor.server.on("/emails/reports", refusal, json({"report_id": "rp-1"}, 202), refusal)
    assert client.order_emails({}, window=None).json() == {"report_id": "rp-1"}
    with pytest.raises(PermanentVendorError):
        client.order_emails({}, window=None)
    numbers = [1, 2, 2, 3]
    assert vendor.bearers("/emails/reports") == [f"Bearer token-number-{number}" for number in numbers]


def test_the_secrets_of_a_link_are_in_no_message(vendor: Vendor, client: ApsisClient, tmp_path: Path) -> None:
    link = f"{vendor.server.url}/files/1?signature=hidden-in-the-link"
    report = json({"status": "completed", "file_download_url": link}, x_apsis_auth=TOKEN)
    vendor.server.on("/emails/reports/rp%2F1", report)
    vendor.server.on("/files/1", lambda seen: answer(400, f"bad {seen.headers['x-apsis-auth']} at {link}".encode()))
    told, token, _ = client.email_report("rp/1", is_poll=False)
    assert (told["file_download_url"], token) == (link, TOKEN)
    with pytest.raises(PermanentVendorError) as raised:
        taken(client, link, tmp_path / "part.csv.gz")
    assert TOKEN not in str(raised.value)
    assert "hidden-in-the-link" not in str(raised.value)


@pytest.mark.usefixtures("client")
def test_a_files_token_follows_no_redirect_to_another_host(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("APSIS_DOWNLOAD_HOSTS", "localhost")
    client = ApsisClient("apsis", limits=Limits(requests_per_s=1e9, concurrency=8))
    elsewhere = vendor.server.url.replace("127.0.0.1", "localhost")
    vendor.server.on("/files/1", answer(302, Location=f"{elsewhere}/stored/1"))
    vendor.server.on("/stored/1", answer(200, gz(b"a\n1\n2\n")))
    assert taken(client, f"{vendor.server.url}/files/1", tmp_path / "part.csv.gz") == 2
    (stored,) = [seen for seen in vendor.server.seen if seen.path == "/stored/1"]
    assert not {"x-apsis-auth", "authorization"} & set(stored.headers)


def test_a_report_without_a_byte_is_asked_for_again_and_is_no_empty_day(
    vendor: Vendor, client: ApsisClient, tmp_path: Path
) -> None:
    link = f"{vendor.server.url}/files/1"
    vendor.server.on("/emails/reports/rp-1", json({"status": "completed", "file_download_url": link}))
    file = gz(",".join(NEEDED_COLUMNS).encode() + b"\n")
    vendor.server.on("/files/1", answer(200), answer(200), answer(200, file))
    source = EmailEvents(Account(client), email_events_stream("apsis", DAY.start))
    part = source.fetch(Ticket(export_id="rp-1"), Plan(DAY, {"sections": [{}]}), Place(tmp_path / "part.csv.gz"))
    assert (part.rows, vendor.server.count("/files/1")) == (0, 3)


@pytest.mark.parametrize("kind", [ProfileEvents, EmailEvents])
def test_an_orders_answer_that_was_cut_off_may_stand_for_an_export(
    vendor: Vendor, client: ApsisClient, kind: type[ProfileEvents | EmailEvents]
) -> None:
    section = "/audience/sections/main"
    vendor.server.on("/audience/sections", json({"items": [{"discriminator": "main", "id": 1}]}))
    for listed in ("attributes", "tags", "events"):
        items = [{"discriminator": "com.apsis1.attributes.email", "id": 2, "version_id": 3}]
        vendor.server.on(f"{section}/{listed}", json({"items": items if listed == "attributes" else []}))
    source = kind(Account(client), email_events_stream("apsis", DAY.start))
    plan = source.plan(DAY)
    for route in ("/audience/profiles/exports", "/emails/reports"):
        vendor.server.on(route, [head(202, Connection="close") + b'{"report_id": "rp-', close])
    with pytest.raises(TransientVendorError, match="ends in the middle") as raised:
        source.order(plan, "1-1")
    assert raised.value.status is None


def test_a_gzip_file_is_kept_as_it_came(vendor: Vendor, client: ApsisClient, tmp_path: Path) -> None:
    file = gz(b"a\n" + b"1\n" * 1000)
    vendor.server.on("/files/1", answer(200, file, Content_Type="application/gzip"))
    assert taken(client, f"{vendor.server.url}/files/1", tmp_path / "part.csv.gz") == 1000
    assert (tmp_path / "part.csv.gz").read_bytes() == file


def test_a_gzip_file_that_lacks_its_end_is_asked_for_again(vendor: Vendor, client: ApsisClient, tmp_path: Path) -> None:
    file = gz(b"a\n" + b"1\n" * 1000)
    vendor.server.on("/files/1", answer(200, file[:-4]), answer(200, file))
    assert taken(client, f"{vendor.server.url}/files/1", tmp_path / "part.csv.gz") == 1000
    assert vendor.server.count("/files/1") == 2


def test_a_look_leaves_the_body_unread_whatever_its_size(vendor: Vendor, client: ApsisClient) -> None:
    vendor.server.on("/poll", [b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000\r\n\r\n{"])
    assert client.profile_status(f"{vendor.server.url}/poll").status == 200


@pytest.mark.parametrize("status", [202, 404, 410, 503])
def test_a_status_that_is_an_answer_is_asked_for_once(vendor: Vendor, client: ApsisClient, status: int) -> None:
    vendor.server.on("/poll", answer(status, b"whatever"))
    assert client.profile_status(f"{vendor.server.url}/poll").status == status
    assert vendor.server.count("/poll") == 1


@pytest.mark.parametrize("asked", ["90", "Fri, 20 Nov 2026 20:01:30 GMT"])
def test_an_answer_to_a_poll_says_in_seconds_or_as_a_date_when_to_ask_again(
    vendor: Vendor, client: ApsisClient, asked: str
) -> None:
    when = {"Retry_After": asked, "Date": "Fri, 20 Nov 2026 20:00:00 GMT"}
    vendor.server.on("/poll", answer(404, b"not yet", **when))
    vendor.server.on("/emails/reports/rp-1", json({"status": "in_progress"}, **when))
    assert client.profile_status(f"{vendor.server.url}/poll").retry_after_s == 90
    assert client.email_report("rp-1", is_poll=True) == ({"status": "in_progress"}, None, 90)


def test_an_outage_says_nothing_of_an_export(vendor: Vendor, client: ApsisClient) -> None:
    vendor.server.on("/poll", answer(502))
    with pytest.raises(TransientVendorError) as raised:
        client.profile_status(f"{vendor.server.url}/poll")
    assert raised.value.status == 502


CALLS: dict[str, Callable[[ApsisClient, str], object]] = {
    "/poll": lambda client, url: client.profile_status(f"{url}/poll"),
    "/emails/reports/rp-1": lambda client, _: client.email_report("rp-1", is_poll=True),
    "/audience/profiles/exports": lambda client, _: client.order_profiles({}, window=None),
    "/emails/reports": lambda client, _: client.order_emails({}, window=None),
}
SLOWLY = b"{" + b" " * 200
HANGS: dict[str, list[Piece]] = {
    "hangs": [stall],
    "trickles in its head": [drip(head(200, X_Slow="y" * 200))],
    "trickles in its body": [head(502, Content_Length="201"), drip(SLOWLY)],
}


@pytest.mark.parametrize("how", HANGS)
@pytest.mark.parametrize("path", CALLS)
def test_a_poll_or_order_that_hangs_is_given_up_after_its_time_and_not_tried_again_at_once(
    vendor: Vendor, hurried: ApsisClient, path: str, how: str
) -> None:
    vendor.server.on(path, HANGS[how])
    with pytest.raises(TransientVendorError) as raised:
        CALLS[path](hurried, vendor.server.url)
    assert raised.value.status == (502 if "body" in how else None)
    assert vendor.server.count(path) == 1


@pytest.mark.parametrize("path", CALLS)
def test_a_token_that_hangs_takes_no_more_time_than_the_poll_or_order_that_needs_it(
    vendor: Vendor, hurried: ApsisClient, path: str
) -> None:
    vendor.server.on("/oauth/token", [stall])
    with pytest.raises(TransientVendorError, match=r"\(token\): no answer within 0\.5 s"):
        CALLS[path](hurried, vendor.server.url)
    assert (vendor.server.count("/oauth/token"), vendor.server.count(path)) == (1, 0)


def test_a_report_whose_answer_trickles_is_given_up_after_the_time_of_a_poll(
    vendor: Vendor, hurried: ApsisClient
) -> None:
    vendor.server.on("/emails/reports/rp-1", [head(200, Content_Length="201"), drip(SLOWLY)])
    with pytest.raises(TransientVendorError, match="not whole"):
        hurried.email_report("rp-1", is_poll=True)


def test_a_report_that_is_asked_for_to_fetch_its_file_is_tried_again(vendor: Vendor, hurried: ApsisClient) -> None:
    vendor.server.on("/emails/reports/rp-1", answer(502), answer(502), json({"status": "completed"}))
    assert hurried.email_report("rp-1", is_poll=False)[0] == {"status": "completed"}
    assert vendor.server.count("/emails/reports/rp-1") == 3


def test_a_poll_address_of_another_host_gets_no_token(vendor: Vendor, client: ApsisClient) -> None:
    vendor.server.on("/poll", answer(404))
    client.profile_status(f"{vendor.server.url.replace('127.0.0.1', 'localhost')}/poll")
    assert vendor.bearers("/poll") == [None]


def test_lists_that_an_account_does_not_have_are_left_out_of_the_dimensions(
    vendor: Vendor, client: ApsisClient
) -> None:
    section = "/audience/sections/a%2Fb"
    vendor.server.on("/audience/sections", json({"items": [{"discriminator": "a/b", "id": 1}]}))
    for kind in ("attributes", "tags", "events"):
        vendor.server.on(f"{section}/{kind}", json({"items": []}))
    kinds = [page.split(b'"', 4)[3].decode() for page in client.dimension_pages()]
    assert kinds == ["sections", "attributes", "tags", "events"]


def test_a_list_that_is_none_says_where_it_was_asked_for(vendor: Vendor, client: ApsisClient) -> None:
    vendor.server.on("/audience/sections", json({"sections": 7}))
    with pytest.raises(ContractError, match=r"GET .*/audience/sections: the answer has no list of items"):
        next(client.definition_pages())


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("APSIS_NORTH_URL", "APSIS_NORTH_CLIENT_ID", "APSIS_NORTH_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="APSIS_NORTH_URL, APSIS_NORTH_CLIENT_ID, APSIS_NORTH_CLIENT_SECRET not set"):
        ApsisClient("apsis_north")
