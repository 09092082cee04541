"""Both streams against the simulated vendor, over real HTTP, up to the events that come of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.components.apsis import ApsisExports
from journey_pipeline.errors import (
    ConfigError,
    ContractError,
    ExportExpired,
    ExportFailed,
    PermanentVendorError,
    TransientVendorError,
)
from journey_pipeline.lake.landing import commit_attempt, last_answers
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest
from journey_pipeline.loading.landing import landed_file
from journey_pipeline.loading.lists import pull_dimensions
from journey_pipeline.model import StreamKey, Window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.apsis.client import ApsisClient
from journey_pipeline.vendors.apsis.doctor import check
from journey_pipeline.vendors.apsis.email_events.stream import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.lists import ALL
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE, Account, Names, Selection
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.source import Part, Plan, Source, Ticket, Verdict
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.reading import SESSION, read_parquet

pytestmark = pytest.mark.slow(reason="exports go all their way over HTTP")

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
DAY = Window(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
PENDING = timedelta(seconds=10)


@dataclass
class Vendor:
    """The simulated account, and both streams of a connection to it."""

    sandbox: Sandbox
    home: Path

    def account(self, selection: Selection | None = None, names: Names | None = None) -> Account:
        client = ApsisClient("apsis", limits=Limits(requests_per_s=1e9, concurrency=8))
        return Account(client, selection, names)

    def profiles(self, selection: Selection | None = None) -> ProfileEvents:
        stream = profile_events_stream("apsis", DAY.start)
        return ProfileEvents(
            self.account(selection), stream, last_answers=lambda: last_answers(Lake(self.home), stream.key)
        )

    def emails(self, selection: Selection | None = None) -> EmailEvents:
        return EmailEvents(self.account(selection), email_events_stream("apsis", DAY.start))

    def wait(self, span: timedelta = PENDING) -> None:
        self.sandbox.clock.freeze(self.sandbox.clock.now() + span)

    def whole(self, source: Source, window: Window = DAY) -> tuple[list[Part], EventsManifest]:
        """Orders a window, in smaller orders where it must be, and lands and normalizes all of it."""
        lake, key = Lake(self.home), source.stream.key
        folder = begin_attempt(lake, key, window, NOW)
        parts: list[Part] = []
        pending = [source.plan(window)]
        while pending:
            plan = pending.pop(0)
            ticket = source.order(plan, "1-1")
            self.wait()
            look = source.look(ticket, plan)
            if look.verdict in {Verdict.TOO_LARGE, Verdict.FAILED}:
                pending = [*source.smaller(plan), *pending]
                continue
            assert look.verdict is Verdict.READY
            parts.append(source.fetch(ticket, plan, Place(folder.part(len(parts), source.stream.recipe.extension))))
        attempt = Attempt(
            attempt=folder.name,
            started_at=NOW,
            landed_at=NOW,
            package_version="0",
            answers=source.answers(),
            files=tuple(landed_file(part) for part in parts),
        )
        commit_attempt(lake, key, window, attempt)
        return parts, normalize(lake, key, window.partition, source.stream.recipe)

    def events(self, stream: str, columns: str) -> list[tuple[Any, ...]]:
        path = Lake(self.home).events_file(StreamKey("apsis", "apsis", stream), DAY.partition)
        return read_parquet(path, columns)


@pytest.fixture(scope="module")
def running_apsis() -> Iterator[Sandbox]:
    world = World(rows_per_hour=60, contacts=300, late_share=0.05, steady=True)
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def vendor(running_apsis: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    running_apsis.clock.freeze(NOW)
    running_apsis.faults.clear()
    running_apsis.calls.clear()
    running_apsis.options.change(SandboxOptions().model_dump_json().encode())
    running_apsis.apsis.exports.clear()
    for name, value in running_apsis.environment().items():
        monkeypatch.setenv(name, value)
    with no_waiting():
        yield Vendor(running_apsis, tmp_path)


def ordered_by(vendor: Vendor, source: Source) -> tuple[Ticket, Plan]:
    """An order of one section that is ready."""
    plan = source.plan(DAY)
    plan = (
        plan
        if len(plan.request["sections"]) == 1
        else Plan(DAY, {**plan.request, "sections": plan.request["sections"][:1]})
    )
    ticket = source.order(plan, "1-1")
    vendor.wait()
    return ticket, plan


@pytest.mark.parametrize("url_fields", ["v1", "v2"])
def test_profile_events_are_those_of_the_vendor_whatever_the_file_holds(vendor: Vendor, url_fields: Any) -> None:
    options = vendor.sandbox.options.apsis
    options.url_fields, options.hostile, options.duplicate_keys, options.metadata = url_fields, True, True, "after"
    _, manifest = vendor.whole(vendor.profiles())
    truth = list(vendor.sandbox.apsis.profile_truth(DAY, NOW))
    assert manifest.landed == sum(record["copies"] for record in truth)
    assert (manifest.unaccounted, manifest.rejects) == (0, None)
    expected = Counter(
        (
            record["profile"],
            record["email"].lower(),
            record["occurred_ms"],
            record["discriminator"] or f"unknown:{record['type_id']}",
            record["section"],
            record["type_id"],
            record["correlation_id"],
            record["data"],
        )
        for record in truth
        for _ in range(1 if record["correlation_id"] else record["copies"])
    )
    columns = "contact_id, email, epoch_ms(occurred_at), activity_type, properties::varchar"
    found = Counter((*row[:-1], *told(row[-1])) for row in vendor.events("profile_events", columns))
    assert (found - expected, expected - found) == (Counter(), Counter())


def told(properties: str) -> tuple[Any, ...]:
    """What properties say, `data` as the text that it is."""
    head, _, data = properties.partition('"data":')
    known = json.loads(head.removesuffix(",") + "}")
    return known["section_id"], known["type_id"], known.get("correlation_id"), data[:-1]


def test_a_version_that_is_no_longer_listed_keeps_the_name_that_another_days_landing_knew(vendor: Vendor) -> None:
    options = vendor.sandbox.options.apsis
    options.listed_versions = 1
    vendor.whole(vendor.profiles(), Window(DAY.start - timedelta(days=1), DAY.start))
    vendor.sandbox.clock.freeze(NOW + timedelta(days=28))
    source = vendor.profiles()
    vendor.whole(source)
    told = Counter(kind for (kind,) in vendor.events("profile_events", "activity_type"))
    truth = {record["discriminator"] for record in vendor.sandbox.apsis.profile_truth(DAY, vendor.sandbox.clock.now())}
    assert {kind for kind in told if not kind.startswith("unknown:")} == truth - {None}


def test_a_configured_connection_asks_the_lake_what_was_known_before(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(vendor.home))
    vendor.sandbox.options.apsis.listed_versions = 1
    vendor.whole(vendor.profiles())
    before = vendor.account().definitions().sections["1234"].events
    vendor.sandbox.clock.freeze(NOW + timedelta(days=28))
    after = vendor.account().definitions().sections["1234"].events
    exports = ApsisExports(connection="apsis", start="2026-11-01-00:00").open_exports()
    known = exports.sources["profile_events"].answers()["definitions"]["1234"]["events"]
    assert set(before) - set(after)
    assert set(known) == {*before, *after}


def test_email_events_are_those_of_the_vendor(vendor: Vendor) -> None:
    options = vendor.sandbox.options.apsis
    options.column_order, options.event_time = "reversed", "date"
    parts, manifest = vendor.whole(vendor.emails())
    truth = list(vendor.sandbox.apsis.email_truth(DAY, NOW))
    assert len(parts) == 2
    assert manifest.landed == sum(record["copies"] for record in truth)
    assert manifest.unaccounted == 0
    columns = "contact_id, vendor_action, properties ->> 'correlation_id', epoch_ms(occurred_at), activity_id"
    names = ("address", "type", "correlation_id", "occurred_ms", "split_id")
    expected = Counter(tuple(record[name] for name in names) for record in truth)
    assert Counter(vendor.events("email_events", columns)) == expected
    assert vendor.sandbox.calls.to("email_file")[0].headers["accept-encoding"] == "identity"


@pytest.mark.slow(reason="many exports")
def test_what_is_too_large_comes_in_parts_that_are_the_same_together(vendor: Vendor) -> None:
    source = vendor.profiles()
    vendor.whole(source)
    keys = vendor.events("profile_events", "event_key")
    vendor.sandbox.options.apsis.most_events = len(keys) // 5
    again = Vendor(vendor.sandbox, vendor.home / "again")
    parts, _ = again.whole(source)
    assert len(parts) > 5
    assert sorted(again.events("profile_events", "event_key")) == sorted(keys)


@pytest.mark.parametrize(
    ("generation", "age", "expected"),
    [
        ("v1", 0, Verdict.UNACKNOWLEDGED),
        ("v1", 10, Verdict.READY),
        ("v1", 86_401, Verdict.GONE),
        ("v2", 0, Verdict.PENDING),
        ("v2", 10, Verdict.READY),
        ("v2", 86_401, Verdict.GONE),
        ("both", 0, Verdict.PENDING),
        ("other_name", 0, Verdict.UNACKNOWLEDGED),
        ("location", 0, Verdict.UNACKNOWLEDGED),
    ],
)
def test_the_same_status_means_what_the_address_generation_says(
    vendor: Vendor, generation: Any, age: int, expected: Verdict
) -> None:
    vendor.sandbox.options.apsis.url_fields = generation
    source = vendor.profiles()
    plan = source.plan(DAY)
    ticket = source.order(plan, "1-1")
    vendor.wait(timedelta(seconds=age))
    assert source.look(ticket, plan).verdict is expected
    taken = source.look(ticket, plan, to=Place(vendor.home / "part.json.gz"))
    assert (taken.verdict, taken.part is not None) == (expected, expected is Verdict.READY)


@pytest.mark.parametrize("retry_after_s", [None, 90])
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_poll_hands_on_when_the_vendor_wants_the_next_one(
    vendor: Vendor, generation: Any, retry_after_s: int | None
) -> None:
    vendor.sandbox.options.apsis.url_fields = generation
    vendor.sandbox.options.apsis.poll_retry_after_s = retry_after_s
    profiles, emails = vendor.profiles(), vendor.emails(Selection(sections=("usercreated.sections.main-x1",)))
    plan = profiles.plan(DAY)
    ticket = profiles.order(plan, "1-1")
    for to in (None, vendor.home / "part.json.gz"):
        assert profiles.look(ticket, plan, to=Place(to)).retry_after_s == retry_after_s
    report = emails.plan(DAY)
    assert emails.look(emails.order(report, "1-1"), report).retry_after_s == retry_after_s


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_an_id_that_the_vendor_does_not_know_is_gone(vendor: Vendor, generation: Any) -> None:
    vendor.sandbox.options.apsis.url_fields = generation
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.apsis.exports.clear()
    assert source.look(ticket, plan).verdict is Verdict.GONE
    with pytest.raises(ExportExpired, match="the file is gone"):
        source.fetch(ticket, plan, Place(vendor.home / "part.json.gz"))


def test_a_look_takes_no_file(vendor: Vendor) -> None:
    vendor.sandbox.options.apsis.bulk_profiles = 2000
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    assert source.look(ticket, plan).verdict is Verdict.READY
    assert list(vendor.home.iterdir()) == []


def test_an_export_that_failed_is_no_outage_and_is_not_asked_for_again_at_once(vendor: Vendor) -> None:
    vendor.sandbox.faults.add("apsis/profile_order:fail_export")
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.calls.clear()
    assert source.look(ticket, plan).verdict is Verdict.FAILED
    with pytest.raises(ExportFailed, match="503"):
        source.fetch(ticket, plan, Place(vendor.home / "part.json.gz"))
    assert vendor.sandbox.calls.count("profile_poll") == 2


@pytest.mark.parametrize("kind", ["cut_record", "cut_file", "gzip_no_trailer", "reset"])
def test_a_cut_download_is_repeated_from_the_same_address(vendor: Vendor, kind: str) -> None:
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.calls.clear()
    vendor.sandbox.faults.add(f"apsis/profile_poll:{kind}@1")
    part = source.fetch(ticket, plan, Place(vendor.home / "part.json.gz"))
    assert part.rows == sum(
        record["copies"] for record in vendor.sandbox.apsis.profile_truth(DAY, NOW) if record["section"] == "1234"
    )
    assert vendor.sandbox.calls.count("profile_order") == 0
    assert vendor.sandbox.calls.count("profile_poll") == 2


@pytest.mark.parametrize("answer", [401, 403])
def test_a_token_that_expired_is_renewed_once_whatever_the_refusal_looks_like(vendor: Vendor, answer: Any) -> None:
    vendor.sandbox.options.apsis.expired_answer = answer
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    tokens = vendor.sandbox.apsis.tokens.issued
    vendor.sandbox.apsis.tokens.expire(vendor.sandbox.clock.now())
    assert source.look(ticket, plan).verdict is Verdict.READY
    assert vendor.sandbox.apsis.tokens.issued == tokens + 1


def test_another_403_is_permanent_and_asked_once(vendor: Vendor) -> None:
    source = vendor.profiles()
    plan = source.plan(DAY)
    vendor.sandbox.options.apsis.forbidden = True
    with pytest.raises(PermanentVendorError, match="Check what the API key may do") as raised:
        source.order(plan, "1-1")
    assert raised.value.status == 403
    assert vendor.sandbox.calls.count("profile_order") == 1


@pytest.mark.parametrize("retry_after_s", [30, None, 3600])
def test_too_many_pending_exports_are_a_refusal_that_may_say_how_long(
    vendor: Vendor, retry_after_s: int | None
) -> None:
    options = vendor.sandbox.options.apsis
    options.pending_limit, options.pending_retry_after_s = 0, retry_after_s
    for source in (vendor.profiles(), vendor.emails(Selection(sections=("usercreated.sections.main-x1",)))):
        with pytest.raises(TransientVendorError) as raised:
            source.order(source.plan(DAY), "1-1")
        assert (raised.value.status, raised.value.retry_after_s) == (429, retry_after_s)
    assert vendor.sandbox.calls.count("profile_order") == 1


@pytest.mark.parametrize(("kind", "status"), [("order_then_reset", None), ("504", None), ("500", 500), ("503", 503)])
def test_an_order_that_may_have_been_taken_says_so_and_is_sent_once(
    vendor: Vendor, kind: str, status: int | None
) -> None:
    vendor.sandbox.faults.add(f"apsis/profile_order:{kind}")
    source = vendor.profiles()
    with pytest.raises(TransientVendorError) as raised:
        source.order(source.plan(DAY), "1-1")
    assert raised.value.status == status
    assert vendor.sandbox.calls.count("profile_order") == 1


def test_too_many_sections_say_what_to_configure(vendor: Vendor) -> None:
    vendor.sandbox.options.apsis.extra_sections = 30
    source = vendor.emails(Selection(sections=("usercreated.sections.main-x1",)))
    with pytest.raises(PermanentVendorError, match="Name the sections that are needed under `sections`") as raised:
        source.order(source.plan(DAY), "1-1")
    assert raised.value.status == 413


def test_what_the_account_does_not_have_is_a_mistake_in_the_configuration(vendor: Vendor) -> None:
    for selection, told in (
        (Selection(sections=("nowhere",)), "sections of connection apsis: the account has no nowhere"),
        (Selection(attributes=("nothing",)), "attributes of connection apsis"),
        (Selection(event_types=("never",)), "event_types of connection apsis"),
    ):
        with pytest.raises(ConfigError, match=told):
            vendor.profiles(selection).plan(DAY)


def test_a_selection_goes_to_the_vendor_as_far_as_each_section_has_it(vendor: Vendor) -> None:
    selection = Selection(
        sections=("usercreated.sections.main-x1",),
        attributes=(EMAIL_ATTRIBUTE, "usercreated.attributes.gender-a1"),
        tags=("usercreated.tags.vip-2",),
        event_types=("com.apsis1.events.email-open",),
        segments=("usercreated.segments.customers-9",),
    )
    source = vendor.profiles(selection)
    source.order(source.plan(DAY), "1-1")
    (call,) = vendor.sandbox.calls.to("profile_order")
    assert call.body["sections"] == [
        {
            "section_discriminator": "usercreated.sections.main-x1",
            "attribute_discriminators": [EMAIL_ATTRIBUTE, "usercreated.attributes.gender-a1"],
            "tag_discriminators": ["usercreated.tags.vip-2"],
            "event_discriminators": ["com.apsis1.events.email-open"],
        }
    ]
    emails = vendor.emails(selection)
    _, manifest = vendor.whole(emails)
    assert manifest.unknown_columns == ()
    genders = {value for (value,) in vendor.events("email_events", "properties -> 'attributes' ->> '491874'")}
    assert genders > {None}


def test_a_report_of_several_sections_is_ordered_section_by_section(vendor: Vendor) -> None:
    source = vendor.emails()
    plan = source.plan(DAY)
    ticket = source.order(plan, "1-1")
    look = source.look(ticket, plan)
    assert (look.verdict, vendor.sandbox.calls.count("email_order")) == (Verdict.TOO_LARGE, 0)
    assert [len(part.request["sections"]) for part in source.smaller(plan)] == [1, 1]


@pytest.mark.parametrize("word", ["in_progress", "brewing"])
def test_any_status_but_the_two_known_ones_is_pending_and_a_new_one_is_logged(
    vendor: Vendor, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.sandbox.options.apsis.pending_word = word
    vendor.sandbox.options.apsis.pending_s = 60
    source = vendor.emails()
    assert source.look(*ordered_by(vendor, source)).verdict is Verdict.PENDING
    assert ("taken for pending" in caplog.text) == (word == "brewing")


@pytest.mark.parametrize("kind", ["json_200", "html_200", "500", "reset"])
def test_an_answer_that_says_nothing_of_a_report_leaves_it_as_it_is(vendor: Vendor, kind: str) -> None:
    source = vendor.emails()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.faults.add(f"apsis/email_status:{kind}@1-4")
    with pytest.raises(TransientVendorError):
        source.look(ticket, plan)
    vendor.sandbox.faults.clear()
    assert source.look(ticket, plan).verdict is Verdict.READY


def test_a_report_that_is_too_large_or_gone_says_so(vendor: Vendor) -> None:
    source = vendor.emails()
    vendor.sandbox.options.apsis.most_events = 1
    ticket, plan = ordered_by(vendor, source)
    assert source.look(ticket, plan).verdict is Verdict.TOO_LARGE
    with pytest.raises(ExportFailed):
        source.fetch(ticket, plan, Place(vendor.home / "part.csv.gz"))
    vendor.wait(timedelta(days=8))
    assert source.look(ticket, plan).verdict is Verdict.GONE
    with pytest.raises(ExportExpired):
        source.fetch(ticket, plan, Place(vendor.home / "part.csv.gz"))


def test_the_files_token_goes_in_its_header_and_the_bearer_token_not_to_another_host(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    vendor.sandbox.options.apsis.files_host = "localhost"
    source = vendor.emails()
    source.fetch(*ordered_by(vendor, source), Place(vendor.home / "part.csv.gz"))
    (status,) = vendor.sandbox.calls.to("email_status")
    (file,) = vendor.sandbox.calls.to("email_file")
    assert status.query == {"header_auth": "true"}
    assert (file.query, "x-apsis-auth" in file.headers, "authorization" in file.headers) == ({}, True, False)
    assert "x-apsis-auth" not in caplog.text


def test_of_a_file_that_was_cut_off_only_the_rest_is_asked_for(vendor: Vendor) -> None:
    source = vendor.emails()
    ticket, plan = ordered_by(vendor, source)
    whole = source.fetch(ticket, plan, Place(vendor.home / "whole.csv.gz"))
    vendor.sandbox.faults.add("apsis/email_file:cut_byte=3000@1")
    with no_waiting():
        part = source.fetch(ticket, plan, Place(vendor.home / "part.csv.gz"))
    first, second = vendor.sandbox.calls.to("email_file")[1:]
    assert whole.bytes > 3000
    assert (first.headers.get("range"), second.headers["range"], second.status) == (None, "bytes=3000-", 206)
    assert part.path.read_bytes() == whole.path.read_bytes()
    assert (part.sha256, part.rows, part.raw_bytes) == (whole.sha256, whole.rows, whole.raw_bytes)


def test_a_link_that_has_ended_is_asked_for_again(vendor: Vendor) -> None:
    source = vendor.emails()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.options.apsis.link_life_s = 0
    with pytest.raises(PermanentVendorError) as raised:
        source.fetch(ticket, plan, Place(vendor.home / "part.csv.gz"))
    assert raised.value.status == 403
    assert vendor.sandbox.calls.count("email_status") == 3
    vendor.sandbox.options.apsis.link_life_s = 900
    assert source.fetch(ticket, plan, Place(vendor.home / "part.csv.gz")).rows > 0


def test_what_is_no_file_lands_nowhere_and_leaves_evidence(vendor: Vendor) -> None:
    source = vendor.profiles()
    ticket, plan = ordered_by(vendor, source)
    vendor.sandbox.faults.add("apsis/profile_poll:html_200")
    to, evidence = vendor.home / "part.json.gz", vendor.home / "evidence.txt"
    with pytest.raises(ContractError, match="HTML page"):
        source.fetch(ticket, plan, Place(to, evidence=evidence))
    assert not to.exists()
    assert evidence.read_text().startswith("<html>")


def test_the_doctor_calls_each_route_and_orders_nothing(vendor: Vendor) -> None:
    said = check(vendor.account(), NOW)
    assert {said[name].partition("(4")[0] for name in ("profile_events", "email_events")} == {"the route answers "}
    calls = vendor.sandbox.calls
    assert (calls.count("profile_order"), calls.count("email_order")) == (0, 0)
    assert (calls.count("profile_poll"), calls.count("email_status")) == (1, 1)
    vendor.sandbox.faults.add("apsis/email_status:500")
    assert check(vendor.account(), NOW)["email_events"].startswith("does not answer as documented (500)")


def test_the_doctor_shows_what_a_refusal_says(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APSIS_CLIENT_SECRET", "not-the-secret")
    with pytest.raises(PermanentVendorError, match="Check APSIS_CLIENT_ID and APSIS_CLIENT_SECRET") as raised:
        check(vendor.account(), NOW)
    assert "not-the-secret" not in str(raised.value)


def test_everything_that_the_account_lists_becomes_dimensions_which_forget_nothing(vendor: Vendor) -> None:
    lake, key = Lake(vendor.home), StreamKey("apsis", "apsis", "definitions")
    vendor.sandbox.options.apsis.listed_versions = 2
    first = pull_dimensions(lake, key, vendor.account().client.dimension_pages(), ALL, now=lambda: NOW)
    assert set(first) == {recipe.name for recipe in ALL}
    assert (first["sections"], first["topics"], first["segments"]) == (2, 4, 2)
    assert first["journeys"] == first["activities"] > 0
    later = NOW + timedelta(days=60)
    vendor.sandbox.clock.freeze(later)
    again = pull_dimensions(lake, key, vendor.account().client.dimension_pages(), ALL, now=lambda: later)
    assert again["event_types"] > first["event_types"]
    path = str(lake.dimension_file("apsis", "event_types"))
    query = "select event_type, event_name from read_parquet(?) where type_id = '5036' and section like '%main%'"
    unlisted = SESSION.execute(query, [path]).fetchall()
    assert unlisted == [("com.apsis1.events.email-sent", "Email sent")]
