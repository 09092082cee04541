"""S9 to S18: what the rows are, and when they are there."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from journey_pipeline.model import Window, iso
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.sfmc.rows import COLUMNS
from journey_pipeline_tests.sandbox.cases import Case

ALL = ",".join(COLUMNS)
# Hours enough for everything that is rare.
LONG_H = 24


@pytest.fixture(autouse=True)
def _tokens_outlive_every_move_of_the_clock(sandbox: Sandbox) -> None:
    sandbox.options.sfmc.expires_in_s = 10**8


@pytest.fixture
def day(hour: Window) -> dict[str, str]:
    return {"start": iso(hour.start - timedelta(hours=LONG_H)), "end": iso(hour.start)}


def test_a_download_holds_the_truth_newest_first(sandbox: Sandbox, caller: Any, hour: Window, asked: Any) -> None:
    truth = list(sandbox.sfmc.truth(hour, visible_at=sandbox.clock.now()))
    assert len(truth) > 200
    rows = caller.rows(asked, columns=ALL)
    assert rows == truth[::-1]
    assert list(rows[0]) == list(COLUMNS)


def test_rows_older_than_thirty_days_do_not_exist(sandbox: Sandbox, caller: Any, hour: Window, asked: Any) -> None:
    before = caller.rows(asked, columns="Id,TransactionTime")
    sandbox.clock.set(hour.start + timedelta(days=30, minutes=20))
    after = caller.rows(asked, columns="Id,TransactionTime")
    assert 0 < len(after) < len(before)
    assert {row["Id"] for row in after} <= {row["Id"] for row in before}
    assert min(row["TransactionTime"] for row in after) >= iso(hour.start + timedelta(minutes=20))
    assert caller.estimate(asked).json()["rowCount"] == len(after)
    sandbox.clock.move(timedelta(hours=1))
    assert caller.rows(asked) == []
    assert caller.estimate(asked).json()["rowCount"] == 0


def test_a_row_is_there_until_it_is_thirty_days_old(sandbox: Sandbox, caller: Any, hour: Window, asked: Any) -> None:
    sandbox.clock.set(hour.start + timedelta(days=30))
    on_the_hour = "2026-11-18T09:00:00.000Z"
    assert caller.rows(asked)[-1]["TransactionTime"] == on_the_hour
    sandbox.clock.move(timedelta(milliseconds=1))
    assert caller.rows(asked)[-1]["TransactionTime"] > on_the_hour


def test_a_start_before_the_history_is_no_error(sandbox: Sandbox, caller: Any, hour: Window, asked: Any) -> None:
    sandbox.clock.set(hour.start + timedelta(days=30))
    old = caller.rows(asked | {"start": "2010-01-01T00:00:00Z"}, columns="Id")
    sandbox.clock.set(hour.start + timedelta(days=29))
    young = caller.rows(asked, columns="Id")
    assert old == young


def test_an_end_in_the_future_is_no_error_and_shows_nothing_of_it(sandbox: Sandbox, caller: Any) -> None:
    now = sandbox.clock.now()
    rows = caller.rows({"start": iso(now - timedelta(hours=1)), "end": "2999-01-01T00:00:00Z"}, columns=ALL)
    assert rows
    assert max(row["CreatedDate"] for row in rows) <= now.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_row_is_in_no_answer_before_it_is_visible(sandbox: Sandbox, caller: Any, hour: Window, asked: Any) -> None:
    counts = []
    for minutes in (-60, -30, 0, 10, 20, 60 * 40):
        sandbox.clock.set(hour.end + timedelta(minutes=minutes))
        rows = caller.rows(asked, columns="Id,CreatedDate")
        now = sandbox.clock.now()
        assert caller.estimate(asked).json()["rowCount"] == len(rows)
        assert len(rows) == sum(1 for _ in sandbox.sfmc.truth(hour, visible_at=now))
        assert all(datetime.fromisoformat(row["CreatedDate"]) <= now for row in rows)
        counts.append(len(rows))
    assert counts[0] == 0
    assert counts == sorted(set(counts))


def test_freshness_is_told_in_the_configured_shape(sandbox: Sandbox, caller: Any, case: Case) -> None:
    for shape, answer in [
        ("object", {"freshness": 1200}),
        ("number", 1200),
        ("string", "1200"),
        ("other_key", {"lagInSeconds": 1200}),
    ]:
        with case(shape=shape, answer=answer):
            sandbox.options.sfmc.freshness_shape = shape
            assert caller.get("/journeyhistory/freshness").json() == answer


@pytest.mark.parametrize("status", [404, 503])
def test_freshness_may_not_be_there(sandbox: Sandbox, caller: Any, status: Any) -> None:
    sandbox.options.sfmc.freshness_status = status
    assert caller.get("/journeyhistory/freshness").status_code == status


def test_freshness_can_say_something_else(sandbox: Sandbox, caller: Any) -> None:
    sandbox.options.sfmc.freshness_s = 30_000
    assert caller.get("/journeyhistory/freshness").json() == {"freshness": 30_000}


def test_late_rows_come_after_freshness_has_passed_and_leave_the_others_alone(
    sandbox: Sandbox, caller: Any, hour: Window, asked: Any
) -> None:
    sandbox.clock.set(hour.end + timedelta(seconds=sandbox.world.lag_s))
    early, estimated = caller.rows(asked, columns=ALL), caller.estimate(asked).json()["rowCount"]
    sandbox.clock.move(timedelta(hours=sandbox.world.late_h))
    later, estimated_later = caller.rows(asked, columns=ALL), caller.estimate(asked).json()["rowCount"]
    assert estimated == len(early) < len(later) == estimated_later
    ids = {row["Id"] for row in early}
    assert [row for row in later if row["Id"] in ids] == early


def test_an_estimate_has_the_rows_and_the_real_sizes_of_the_download(caller: Any, asked: Any) -> None:
    for columns in (ALL, "Id", ",".join(COLUMNS[:8])):
        estimate = caller.estimate(asked, columns=columns).json()
        packed = caller.raw_download(asked, columns=columns)
        plain = gzip.decompress(packed)
        assert estimate == {
            "rowCount": len(list(csv.reader(io.StringIO(plain.decode(), newline="")))) - 1,
            "fileSizeInBytes": len(plain),
            "compressedFileSizeInBytes": len(packed),
        }


def test_rows_appear_between_an_estimate_and_its_download(
    sandbox: Sandbox, caller: Any, hour: Window, asked: Any
) -> None:
    sandbox.clock.set(hour.end)
    estimated = caller.estimate(asked).json()["rowCount"]
    sandbox.clock.move(timedelta(minutes=5))
    assert 0 < estimated < len(caller.rows(asked)) == sandbox.sfmc.count(hour, visible_at=sandbox.clock.now())


def test_an_estimate_can_drift(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    real = caller.estimate(asked).json()["rowCount"]
    sandbox.options.sfmc.estimate_drift_rows = 7
    assert caller.estimate(asked).json()["rowCount"] == real + 7
    sandbox.options.sfmc.estimate_drift_rows = 0
    sandbox.options.sfmc.estimate_drift_percent = -50
    assert caller.estimate(asked).json()["rowCount"] == pytest.approx(real / 2, abs=1)
    assert len(caller.rows(asked)) == real


def test_the_sizes_can_have_other_names_or_be_one_only(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.estimate_names = ("RowCount", "sizeInBytes", None)
    assert set(caller.estimate(asked).json()) == {"RowCount", "sizeInBytes"}


def test_a_download_over_the_limit_is_refused(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.limit_bytes = 4_096
    answer = caller.download(asked)
    assert (answer.status_code, answer.json()["errorcode"]) == (400, 10005)
    assert caller.estimate(asked).json()["compressedFileSizeInBytes"] > 4_096


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_download_over_the_limit_can_be_cut_there(sandbox: Sandbox, caller: Any, hour: Window, encoding: str) -> None:
    sandbox.options.sfmc.over_limit = "cut"
    sandbox.options.sfmc.limit_bytes = 4_096
    body = f'{{"start":"{iso(hour.start)}","end":"{iso(hour.end)}"}}'
    head, _, rest = caller.on_the_wire(body, **{"Accept-Encoding": encoding}).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert rest == b"1000\r\n" + rest[6:-2] + b"\r\n"
    assert len(rest[6:-2]) == 4_096


def test_no_row_without_an_activity_name_has_gone_well(sandbox: Sandbox, caller: Any, day: Any) -> None:
    rows = caller.rows(day, columns=ALL)
    nameless = [row for row in rows if not row["ActivityName"]]
    assert nameless
    assert {row["Status"] for row in nameless} == {"Failed"}
    sandbox.options.sfmc.silent_completes = True
    shown = caller.rows(day, columns=ALL)
    assert len(shown) > len(rows)
    assert Counter(row["Status"] for row in shown if not row["ActivityName"])["Complete"] == len(shown) - len(rows)


def test_ids_are_unique_and_stay_when_columns_filters_or_the_moment_change(
    sandbox: Sandbox, caller: Any, asked: Any
) -> None:
    ids = [row["Id"] for row in caller.rows(asked, columns="Id")]
    assert len(set(ids)) == len(ids)
    assert ids == [row["Id"] for row in caller.rows(asked, columns=ALL)]
    sandbox.clock.move(timedelta(days=3))
    assert ids == [row["Id"] for row in caller.rows(asked, columns="Id,Status")]


def test_a_row_can_come_back_with_another_status_under_its_id(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    before = {row["Id"]: row for row in caller.rows(asked, columns=ALL)}
    sandbox.options.sfmc.mutate = True
    after = {row["Id"]: row for row in caller.rows(asked, columns=ALL)}
    assert set(after) == set(before)
    changed = [identity for identity in before if before[identity] != after[identity]]
    assert 0 < len(changed) < len(before) / 4
    assert {(before[identity]["Status"], after[identity]["Status"]) for identity in changed} == {("Complete", "Failed")}
    failed = caller.rows(asked | {"statuses": ["Failed"]}, columns="Id")
    assert {row["Id"] for row in failed} >= set(changed)


def test_versions_run_at_once_and_a_deleted_one_is_in_history_but_not_in_the_list(caller: Any, day: Any) -> None:
    listed = [
        item
        for page in ("1", "2")
        for item in caller.get("", **{"$page": page, "mostRecentVersionOnly": "false"}).json()["items"]
    ]
    in_history = {row["DefinitionId"] for row in caller.rows(day)}
    assert in_history - {item["definitionId"] for item in listed}
    by_key: dict[str, set[str]] = defaultdict(set)
    for item in listed:
        by_key[item["key"]].add(item["definitionId"])
    assert any(len(versions & in_history) > 1 for versions in by_key.values())


def test_names_are_as_odd_as_people_write_them(caller: Any, day: Any) -> None:
    rows = caller.rows(day, columns=ALL)
    names = {row["DefinitionName"] for row in rows} | {row["ActivityName"] for row in rows}
    marks = {
        "a comma": ",",
        "a quote": '"',
        "a line break": "\n",
        "a tab": "\t",
        "an emoji": "🎉",
        "right to left": "ש",
        "a bar": "|",
    }
    assert {what for what, mark in marks.items() if not any(mark in name for name in names)} == set()
    assert any(name.startswith("=") for name in names)
    assert any(name != name.strip(" ") for name in names)


def test_contact_keys_are_as_odd_as_imports_leave_them(caller: Any, day: Any) -> None:
    keys = {row["ContactKey"] for row in caller.rows(day)}
    assert {"NULL", "007", "Ana.Berg+news@example.org"} <= keys


def test_types_and_statuses_hold_some_that_nobody_knows_and_some_in_upper_case(caller: Any, day: Any) -> None:
    rows = caller.rows(day, columns=ALL)
    types = {row["ActivityType"] for row in rows}
    assert {"quantumsplitactivity", "emailv2", "EMAILV2", "waitactivity", "WAITACTIVITY"} <= types
    assert {row["Status"] for row in rows} == {"Complete", "Failed", "Bypassed"}
    documented = (
        "startinteractionactivity trigger stopinteractionactivity exitcriteriaactivity goalcriteriaactivity emailv2 "
        "smssync whatsappactivity pushnotificationactivity pushsync pushinboxactivity inappsyncactivity waitactivity "
        "stowait multicriteriadecision multicriteriadecisionextension engagementdecision randomsplit abntest "
        "abnteststop einsteinengagementfrequencysplit restdecision rest salescloudactivity salesforceleadactivity "
        "updatecontactdata activeaudiencejourneyactivity"
    )
    assert set(documented.split()) <= {kind.lower() for kind in types}


def test_messages_follow_the_grammar_and_some_have_several_entries(caller: Any, day: Any) -> None:
    entry = re.compile(
        r"Type:(?P<type>[^;]*);Level:(?P<level>\w+);ErrorCode:JourneyBuilder_(?P<code>\w+_\d+)"
        r";Message:(?P<message>.*);Parameters:\[(?P<parameters>.*)\]",
        re.DOTALL,
    )
    rows = caller.rows(day | {"statuses": ["failed"]}, columns=ALL)
    entries = [one for row in rows for one in row["Result.Messages"].split("|")]
    parsed = [entry.fullmatch(one) for one in entries]
    assert all(parsed)
    codes = {found["code"] for found in parsed if found}
    assert {"EMAILV2_24", "EMAILV2_180008", "EMAILV2_5", "SMSSYNC_500"} <= codes
    assert {found["level"] for found in parsed if found} == {"Error", "Warning", "Information"}
    assert max(row["Result.Messages"].count("|") for row in rows) == 2
    assert any("{" in one for one in entries) is False


def test_a_wait_has_a_start_and_an_end_and_no_other_step_has(caller: Any, day: Any) -> None:
    for row in caller.rows(day, columns=ALL):
        waits = row["ActivityType"].lower() in {"waitactivity", "stowait"}
        assert bool(row["StartDate"]) is bool(row["EndDate"]) is waits
        assert row["EndDate"] in {"", row["TransactionTime"]}


def test_the_rows_of_an_instance_belong_to_one_contact_and_follow_each_other(caller: Any, day: Any) -> None:
    passages: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in reversed(caller.rows(day, columns=ALL)):
        passages[row["DefinitionInstanceId"]].append(row)
    assert len(passages) > 1_000
    for rows in passages.values():
        assert len({(row["ContactKey"], row["DefinitionId"]) for row in rows}) == 1
        failed = [row for row in rows if row["Status"] == "Failed"]
        assert all(row["OutcomeActivityId"] == "" for row in failed)


def test_the_entry_event_is_the_same_on_all_rows_of_a_journey(caller: Any, asked: Any) -> None:
    events: dict[str, set[str]] = defaultdict(set)
    for row in caller.rows(asked, columns=ALL):
        events[row["DefinitionId"]].add(row["EventId"])
    assert {len(ids) for ids in events.values()} == {1}


def test_the_epoch_is_the_same_instant_as_the_transaction_time(caller: Any, asked: Any) -> None:
    for row in caller.rows(asked, columns=ALL):
        at = datetime.fromisoformat(row["TransactionTime"])
        assert round(at.timestamp() * 1000) == int(row["EpochTimeInMilliseconds"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["TransactionTime"])
        assert row["CreatedDate"] > row["TransactionTime"]
