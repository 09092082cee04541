"""L3 and L5: repeats, records that change or are taken back, and records that are odd."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from journey_pipeline.model import Window
from journey_pipeline.sandbox.layerfive.options import OddKind
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import NOW, LayerFiveCaller, bag, day

pytestmark = pytest.mark.slow(reason="answers that look back ninety days")

WHEN = "2026-11-12"


def key(record: dict[str, Any]) -> tuple[Any, ...]:
    return (record["individual_id"], record["session_id"], record["event_time"], record["event_type"])


def test_identical_records_of_one_answer_are_told_as_often_in_the_next(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    first = bag(layerfive.records(event_date=WHEN))
    repeats = {record for record, times in first.items() if times == 2}
    assert len(repeats) > 20
    sandbox.clock.move(timedelta(days=1))
    second = bag(layerfive.records(event_date=WHEN))
    assert {second[record] for record in repeats if record in second} == {2}


def test_the_revenue_of_some_orders_is_corrected_after_some_hours(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    before = {key(record): record for record in layerfive.records(event_date=WHEN)}
    sandbox.options.layerfive.revenue_corrected_after_h = 30
    after = {key(record): record for record in layerfive.records(event_date=WHEN)}
    changed = [name for name in before if before[name] != after[name]]
    orders = [name for name in before if name[3] == "purchase"]
    assert 0 < len(changed) < len(orders) / 2
    edge = (NOW - timedelta(hours=30)).isoformat()
    assert all(name[3] == "purchase" and name[2] <= edge for name in changed)
    for name in changed:
        assert after[name]["revenue"] == pytest.approx(before[name]["revenue"] * 0.75, abs=0.01)
        assert after[name] | {"revenue": 0} == before[name] | {"revenue": 0}


def test_campaigns_are_renamed_at_a_moment_in_all_records(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.campaigns_renamed_at = NOW
    after = layerfive.records(event_date=WHEN)
    sandbox.clock.move(timedelta(seconds=-1))
    before = layerfive.records(event_date=WHEN)
    renamed = [record["campaign"] for record in after if record["campaign"]]
    assert renamed
    assert all(name.endswith(" (renamed)") for name in renamed)
    assert not any((record["campaign"] or "").endswith(" (renamed)") for record in before)


def test_some_records_are_taken_back_after_some_hours(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    before = bag(layerfive.records(event_date=WHEN))
    sandbox.options.layerfive.taken_back_after_h = 24
    document = layerfive.document(event_date=WHEN)
    after = bag(document["results"])
    assert document["count"] == after.total()
    gone = before - after
    assert not after - before
    assert 0.01 < gone.total() / before.total() < 0.06
    assert bag(sandbox.layerfive.truth(day(WHEN))) == after


def test_a_daily_client_keeps_what_was_taken_back_after_it_had_been_told(sandbox: Sandbox) -> None:
    sandbox.options.layerfive.taken_back_after_h = 24
    days = Window(day("2026-11-10").start, day("2026-11-13").end)
    union: Counter[bytes] = Counter()
    for number in range(10, 14):
        run = day(f"2026-11-{number}")
        union |= bag(sandbox.layerfive.truth(run, asked_at=run.end + timedelta(hours=2)))
    known = bag(sandbox.layerfive.known_events(days))
    assert known == union
    sandbox.options.layerfive.taken_back_after_h = None
    assert bag(sandbox.layerfive.known_events(days)) - known


def test_an_address_can_be_filled_in_later(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.email_known_after_h = 48
    edge = (NOW - timedelta(hours=48)).isoformat()
    for record in layerfive.records(event_date=WHEN):
        assert (record["email"] is None) is (record["event_time"] > edge)


def test_fields_that_nobody_knows_can_join_and_the_schema_can_change(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    sandbox.options.layerfive.extra_fields = ("utm_id", "consent state")
    sandbox.options.layerfive.schema_changed_at = NOW
    records = layerfive.records(event_date=WHEN)
    assert all((one["utm_id"], one["consent state"]) == ("x", "x") for one in records)
    assert all(isinstance(one["engagement_score"], float) and "referrer" not in one for one in records)
    sandbox.clock.move(timedelta(seconds=-1))
    assert any("referrer" in one for one in layerfive.records(event_date=WHEN))


ODD: dict[OddKind, Any] = {
    "text": lambda one: one["campaign"].startswith('quote " and \\" and') and "\r\n" in one["campaign"],
    "nul": lambda one: one["campaign"] == "before\x00after",
    "big_value": lambda one: len(one["page_url"].encode()) > 1_000_000,
    "number_as_string": lambda one: isinstance(one["revenue"], str) and one["quantity"] == "007",
    "null": lambda one: one["channel"] is one["event_type"] is one["email"] is None,
    "missing": lambda one: set(one) == {"individual_id", "event_time"},
    "impossible_time": lambda one: one["event_time"] == "2026-02-30T25:61:00Z",
    "no_time": lambda one: "event_time" not in one,
    "no_person": lambda one: not one.keys() & {"individual_id", "email", "visitor_id"},
    "nested": lambda one: one["device"]["screen"] == [390, 844],
}


def test_some_records_are_odd_and_the_others_as_ever(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    before = bag(layerfive.records(event_date=WHEN))
    for kind, is_odd in ODD.items():
        with case(kind=kind):
            sandbox.options.layerfive.odd = (kind,)
            records = layerfive.records(event_date=WHEN)
            assert len(records) == before.total()
            odd = [record for record in records if bag([record]).keys().isdisjoint(before)]
            assert 0.005 < len(odd) / len(records) < 0.05
            assert all(is_odd(record) for record in odd)
            assert bag(sandbox.layerfive.truth(day(WHEN))) == bag(records)


def test_a_zero_byte_is_written_as_an_escape(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.odd = ("nul",)
    content = layerfive.get(event_date=WHEN).content
    assert b"\x00" not in content
    assert rb"before\u0000after" in content


def test_odd_records_of_several_kinds_come_in_the_share_that_is_asked_for(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    sandbox.options.layerfive.odd = ("no_time", "no_person")
    sandbox.options.layerfive.odd_one_in = 4
    records = layerfive.records(event_date=WHEN)
    timeless = sum("event_time" not in record for record in records)
    nobodys = sum("individual_id" not in record for record in records)
    assert timeless / len(records) == pytest.approx(1 / 8, abs=0.04)
    assert nobodys / len(records) == pytest.approx(1 / 8, abs=0.04)
