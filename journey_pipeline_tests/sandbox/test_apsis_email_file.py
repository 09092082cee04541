"""A8: what the file of an e-mail export holds, and how it is written."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.apsis_caller import DAY, LOYALTY, MAIN, NOON, ApsisCaller

pytestmark = pytest.mark.slow(reason="reports are made and fetched in each test")

COLUMNS = (
    "activity_id split_id activity_name split_activity_name sender subject address variation type correlation_id "
    "event_time server_time device location link_id link_url link_title bounce_code unsubscribe_topic abuse_section"
)
Days = dict[str, list[dict[str, str]]]
TYPES = {"SENT", "DELIVERED", "OPENED", "CLICKED", "BOUNCED", "UNSUBSCRIBED", "ABUSE"}


@pytest.fixture(scope="module")
def days(world: World) -> Days:
    """The records of a whole day by section, as they are by default."""
    with serve(world, clock=SandboxClock.frozen(DAY.end + timedelta(hours=20))) as sandbox:
        caller = ApsisCaller(sandbox)
        return {section: caller.emails(DAY, section) for section in (MAIN, LOYALTY)}


def header(apsis: ApsisCaller, **more: Any) -> str:
    return gzip.decompress(apsis.packed_emails(NOON, **more)).decode().partition("\n")[0]


def test_the_columns_are_the_documented_ones_in_any_order_and_then_those_asked_for(apsis: ApsisCaller) -> None:
    asked = {"additional_attribute_mappings": ["491874", "491910"], "additional_tag_mappings": ["7732", "7733"]}
    more = (
        'gender (version_id: 491874),"spent, SEK (version_id: 491910)",'
        "Newsletter (version_id: 7732),Sale (this week) (version_id: 7733)"
    )
    assert header(apsis) == COLUMNS.replace(" ", ",")
    assert header(apsis, **asked) == COLUMNS.replace(" ", ",") + "," + more
    apsis.options.column_order, apsis.options.extra_column = "reversed", "new"
    assert header(apsis, **asked) == ",".join(reversed(COLUMNS.split())) + "," + more + ",new"
    assert {row["new"] for row in apsis.emails()} == {"x"}


def test_requested_attributes_and_tags_stand_with_every_event(apsis: ApsisCaller) -> None:
    rows = apsis.emails(DAY, additional_attribute_mappings=["491874", "491911"], additional_tag_mappings=["7732"])
    assert {row["gender (version_id: 491874)"] for row in rows} == {"female", "male", "other", ""}
    assert {row["is member (version_id: 491911)"] for row in rows} == {"true", "false"}
    assert {row["Newsletter (version_id: 7732)"] for row in rows} == {"TAG", ""}


def test_every_type_holds_what_belongs_to_it_alone(days: Days) -> None:
    rows = days[MAIN]
    assert {row["type"] for row in rows} == TYPES
    belongs = {
        "device": {"OPENED", "CLICKED"},
        "link_id": {"CLICKED"},
        "link_url": {"CLICKED"},
        "bounce_code": {"BOUNCED"},
        "unsubscribe_topic": {"UNSUBSCRIBED"},
        "abuse_section": {"ABUSE"},
    }
    for column, types in belongs.items():
        assert {row["type"] for row in rows if row[column]} == types, column
        assert all(row[column] for row in rows if row["type"] in types), column
    assert {row["type"] for row in rows if row["location"]} == {"OPENED", "CLICKED"}


def test_devices_and_locations_may_carry_a_suffix_or_be_new(days: Days) -> None:
    rows = [row for row in days[MAIN] if row["device"]]
    devices, locations = ({row[column] for row in rows} for column in ("device", "location"))
    known = {"TABLET", "MOBILE", "DESKTOP", "SMART_TV", "UNKNOWN"}
    assert known < devices
    assert {device for device in devices - known if device.startswith(tuple(known))}
    assert {device for device in devices - known if not device.startswith(tuple(known))}
    assert {len(location) for location in locations} == {0, 2, 5}


def test_bounce_codes_are_of_all_ranges_and_some_of_none(days: Days) -> None:
    codes = [int(row["bounce_code"]) for row in days[MAIN] if row["bounce_code"]]
    assert {code // 1000 for code in codes} == {1, 2, 3, 4, 5, 7, 9}
    assert 3777 in codes


def test_subjects_and_names_are_as_odd_as_people_write_them(days: Days) -> None:
    rows = days[MAIN] + days[LOYALTY]
    for column in ("subject", "activity_name"):
        assert all(any(mark in row[column] for row in rows) for mark in ('"', ",", "\n")), column
    assert any(row["sender"] == 'Shop, "the" news' for row in rows)


def test_a_split_test_has_its_groups_and_a_winner(days: Days) -> None:
    by_activity: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for row in days[LOYALTY]:
        told = row["split_id"].removeprefix(row["activity_id"]), row["variation"], row["split_activity_name"]
        by_activity[row["activity_id"]].add(told)
    groups = {("", "", ""), ("-a", "A", "Group A"), ("-b", "B", "Group B")}
    assert all(told <= groups for told in by_activity.values())
    assert any(told == groups for told in by_activity.values())
    assert sum(told == {("", "", "")} for told in by_activity.values()) > 1


def test_some_events_have_no_time_of_their_own_or_one_in_1970(days: Days) -> None:
    early = {row["event_time"] for row in days[MAIN] if int(row["event_time"]) < 10**10}
    assert early == {"0", "3600000"}


def test_the_time_can_be_a_rendered_date(apsis: ApsisCaller) -> None:
    before = [int(row["event_time"]) for row in apsis.emails()]
    apsis.rewind()
    apsis.options.event_time = "date"
    after = [round(datetime.fromisoformat(row["event_time"]).timestamp() * 1000) for row in apsis.emails()]
    assert before == after


def test_correlation_ids_repeat_where_the_source_sent_again(days: Days) -> None:
    rows = days[MAIN]
    counted = Counter(row["correlation_id"] for row in rows)
    repeats = {identity for identity, count in counted.items() if count > 1}
    assert 0 < len(repeats) < len(counted) / 50
    for identity in repeats:
        same = [row for row in rows if row["correlation_id"] == identity]
        assert len({row["server_time"] for row in same}) == len(same)
        assert len({str(row | {"server_time": ""}) for row in same}) == 1


@pytest.mark.parametrize("transfer", ["chunked", "content_length"])
def test_made_up_records_come_on_top(apsis: ApsisCaller, transfer: Any) -> None:
    apsis.options.transfer = transfer
    before = len(apsis.emails(DAY))
    apsis.rewind()
    apsis.options.bulk_emails = 5_000
    rows = apsis.emails(DAY)
    assert len(rows) == before + 5_000
    assert len({row["correlation_id"] for row in rows if row["activity_id"] == "ea-bulk"}) == 5_000
