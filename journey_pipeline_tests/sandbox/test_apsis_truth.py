"""A9 and what a perfect client has: the truth against the files, late events, windows that add up, both exports."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.events import EventSource, Span
from journey_pipeline.sandbox.apsis.options import FileShape
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.apsis_caller import DAY, LOYALTY, MAIN, NOON, ApsisCaller, events

YEAR_2000_MS = 946_684_800_000


pytestmark = pytest.mark.slow(reason="days of reports are made and compared")


def keys(records: Any) -> set[tuple[str, str, str]]:
    return {(record["section"], record["type_id"], str(record["correlation_id"])) for record in records}


@pytest.mark.parametrize("options", [{}, {"duplicate_keys": True, "hostile": True, "window_time": "source"}])
def test_the_profile_truth_is_what_the_file_holds(apsis: ApsisCaller, options: dict[str, Any]) -> None:
    for name, value in options.items():
        setattr(apsis.options, name, value)
    records = list(apsis.sandbox.apsis.profile_truth(NOON, apsis.began_at))
    profiles = apsis.profiles()
    names = ("profile", "section", "type_id", "correlation_id")
    truth = {(*(record[name] for name in names), json.dumps(json.loads(record["data"]))) for record in records}
    found = Counter(
        (key, section, event["typeId"], event.get("correlationId"), json.dumps(event["data"]))
        for key, section, event in events(profiles)
    )
    assert set(found) == truth
    files_events = sum(record["copies"] for record in records)
    twice = 40 if options else 0  # a profile that comes twice has one event twice
    assert found.total() <= files_events <= found.total() + 2 * twice
    for record in records:
        section = profiles[record["profile"]]["sections"][record["section"]]
        assert section["attributes"]["88"]["value"] == record["email"]
        stated, received = record["source_ms"], record["created_ms"]
        assert record["occurred_ms"] == (stated if stated >= YEAR_2000_MS else received)


def test_a_discriminator_of_the_truth_is_that_of_the_definitions_or_none(apsis: ApsisCaller) -> None:
    apsis.options.listed_versions = 100
    listed = {
        str(version["id"]): item["discriminator"]
        for item in apsis.items(f"/audience/sections/{MAIN}/events")
        for version in item["versions"]
    }
    told = {record["type_id"]: record["discriminator"] for record in apsis.sandbox.apsis.profile_truth(DAY, DAY.end)}
    assert None in told.values()
    assert {version: listed.get(version) for version in told} == told


def test_the_email_truth_is_what_the_files_hold(apsis: ApsisCaller) -> None:
    truth = list(apsis.sandbox.apsis.email_truth(DAY, apsis.began_at))
    for section in (MAIN, LOYALTY):
        rows = apsis.emails(DAY, section)
        apsis.rewind()
        records = [record for record in truth if record["section"] == section]
        first = {row["correlation_id"]: row for row in reversed(rows)}
        assert len(first) == len(records) > 300
        assert sum(record["copies"] for record in records) == len(rows)
        for record in records:
            row = first[record["correlation_id"]]
            assert row.items() <= record.items()
            assert record["created_ms"] == int(row["server_time"])
            assert record["source_ms"] == int(row["event_time"])


@pytest.mark.parametrize("kind", ["profile_truth", "email_truth"])
def test_parts_of_a_window_add_up_to_it(sandbox: Sandbox, kind: str) -> None:
    truth, asked_at = getattr(sandbox.apsis, kind), sandbox.clock.now()
    bounds = [DAY.start, *(DAY.start + timedelta(hours=hours, milliseconds=1) for hours in (1, 6, 20)), DAY.end]

    def copies(window: Window) -> Counter[tuple[str, str]]:
        return Counter({(one["section"], one["correlation_id"]): one["copies"] for one in truth(window, asked_at)})

    whole = copies(DAY)
    assert sum((copies(Window(*part)) for part in pairwise(bounds)), Counter()) == whole
    assert len(whole) > 1_000


@pytest.mark.parametrize("window_time", ["server", "source"])
def test_late_events_are_there_when_the_window_is_asked_for_again(sandbox: Sandbox, window_time: Any) -> None:
    sandbox.options.apsis.window_time = window_time
    truth = sandbox.apsis.profile_truth
    at_once, next_day, settled = (
        keys(truth(DAY, DAY.end + timedelta(hours=hours))) for hours in (0, 24, 3 * sandbox.world.late_h)
    )
    assert at_once < next_day < settled
    assert keys(truth(DAY, DAY.end + timedelta(days=30))) == settled
    assert len(settled - next_day) < len(settled) / 20


def test_an_event_is_in_no_export_before_it_happened(sandbox: Sandbox) -> None:
    middle = DAY.start + timedelta(hours=12)
    records = list(sandbox.apsis.profile_truth(DAY, middle))
    assert records
    assert max(record["created_ms"] for record in records) <= round(middle.timestamp() * 1000)


def test_both_exports_tell_of_the_same_emails_and_each_lacks_a_few(sandbox: Sandbox) -> None:
    sandbox.options.apsis.profile_gap, sandbox.options.apsis.email_gap = 0.02, 0.05
    asked_at = sandbox.clock.now()
    in_profiles = {
        record["correlation_id"]: record
        for record in sandbox.apsis.profile_truth(DAY, asked_at)
        if "email-" in str(record["discriminator"])
    }
    in_emails = {record["correlation_id"]: record for record in sandbox.apsis.email_truth(DAY, asked_at)}
    both = set(in_profiles) & set(in_emails)
    every = len(set(in_profiles) | set(in_emails))
    assert len(set(in_emails) - both) / every == pytest.approx(0.02, rel=0.5)
    assert len(set(in_profiles) - both) / every == pytest.approx(0.05, rel=0.5)
    words = {"SENT": "sent", "DELIVERED": "delivered", "OPENED": "open", "CLICKED": "click", "BOUNCED": "bounce"}
    for identity in both:
        one, other = in_profiles[identity], in_emails[identity]
        assert one["email"] == other["address"]
        assert one["source_ms"] == other["source_ms"]
        assert json.loads(one["data"])["activityId"] == other["activity_id"]
        assert words.get(other["type"], other["type"].lower().removesuffix("d")) in one["discriminator"]


def test_without_gaps_both_exports_tell_of_all(sandbox: Sandbox) -> None:
    sandbox.options.apsis.profile_gap = sandbox.options.apsis.email_gap = 0
    asked_at = sandbox.clock.now()
    in_emails = {record["correlation_id"] for record in sandbox.apsis.email_truth(DAY, asked_at)}
    in_profiles = {
        record["correlation_id"]
        for record in sandbox.apsis.profile_truth(DAY, asked_at)
        if "email-" in str(record["discriminator"])
    }
    assert in_emails == in_profiles


def test_the_people_are_those_of_the_other_vendors(sandbox: Sandbox) -> None:
    asked_at = sandbox.clock.now()
    failed = {
        event.person.email
        for event in sandbox.world.events(NOON)
        if event.happening.activity.type.lower() == "emailv2" and event.happening.failure
    }
    window = Window(NOON.start, NOON.end + timedelta(days=1, hours=16))
    bounced = {
        record["address"] for record in sandbox.apsis.email_truth(window, asked_at + timedelta(days=9))
        if record["bounce_code"] in {"2001", "2002", "2004"}
    }  # fmt: skip
    assert failed
    assert len(failed - bounced) <= len(failed) / 10  # what an export lacks


def test_heaps_of_people_have_each_event_once(world: World) -> None:
    source = EventSource(world)
    span = Span.of(NOON, NOON.end + timedelta(days=5), FileShape())
    heaps = [Counter(source.received(span, buckets=3, bucket=bucket)) for bucket in range(3)]
    assert all(len(heap) > 100 for heap in heaps)
    assert sum(heaps, Counter()) == Counter(source.received(span))
