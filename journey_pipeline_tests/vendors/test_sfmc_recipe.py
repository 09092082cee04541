from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from journey_pipeline.model import ACTIONS, CHANNELS
from journey_pipeline.vendors.sfmc.journey_history.stream import COLUMNS, DEFAULT_COLUMNS, JOURNEY_HISTORY, LEAN_COLUMNS
from journey_pipeline_tests.lake.made_landing import MadeLanding, as_csv

AT = "2026-11-20T09:58:11.204Z"


def typed(tmp_path: Path, *records: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> MadeLanding:
    """Lands records of journey history; each has an Id, a time and a status unless it says otherwise."""
    made = MadeLanding(tmp_path / "home", recipe=JOURNEY_HISTORY)
    rows = []
    for number, record in enumerate(records):
        whole = {"Id": str(number), "TransactionTime": AT, "Status": "Complete", **record}
        rows.append([whole.get(column, "") for column in columns])
    made.land(as_csv(rows, columns))
    made.normalize()
    return made


def in_order(made: MadeLanding, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events, in the order of their records."""
    return [row[1:] for row in sorted(made.events(f"landing_row, {columns}"), key=lambda row: int(row[0]))]


def codes(name: str) -> list[dict[str, str]]:
    with JOURNEY_HISTORY.codes[name].open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_columns_are_the_25_of_the_contract_in_its_order() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 25
    assert ",".join(DEFAULT_COLUMNS) == (
        "Id,TransactionTime,CreatedDate,StartDate,EndDate,ContactKey,Status,ClientStatus,DefinitionId,DefinitionName,"
        "DefinitionInstanceId,ActivityId,ActivityName,ActivityType,OutcomeActivityId,EventId,EventName,EntrySource,"
        "SourceType,Message,Result.Status,Result.Outcome,Result.Tags,Result.Messages"
    )
    assert set(COLUMNS) - set(DEFAULT_COLUMNS) == {"EpochTimeInMilliseconds"}
    assert set(LEAN_COLUMNS) < set(DEFAULT_COLUMNS)
    assert len(LEAN_COLUMNS) == 9


def test_every_code_table_gives_channels_and_actions_of_the_fixed_lists() -> None:
    for row in codes("activity_types"):
        assert row["channel"] in CHANNELS
        assert {row["complete"], row["failed"], row["otherwise"]} <= ACTIONS
        assert row["activity_type"] == row["activity_type"].lower()


ACTIVITIES = [
    ("startinteractionactivity", "Complete", ("journey", "enter")),
    ("Trigger", "failed", ("journey", "skip")),
    ("STOPINTERACTIONACTIVITY", "complete", ("journey", "exit")),
    ("exitcriteriaactivity", "Failed", ("journey", "fail")),
    ("goalcriteriaactivity", "Complete", ("journey", "convert")),
    ("EMAILV2", "Complete", ("email", "send")),
    ("emailv2", "Failed", ("email", "fail")),
    ("emailv2", "Sending", ("email", "other")),
    ("smssync", "Complete", ("sms", "send")),
    ("whatsappactivity", "Complete", ("whatsapp", "send")),
    ("pushnotificationactivity", "Complete", ("app_push", "send")),
    ("pushsync", "Complete", ("app_push", "send")),
    ("pushinboxactivity", "Complete", ("app_push", "send")),
    ("inappsyncactivity", "Complete", ("in_app", "send")),
    ("WaitActivity", "Complete", ("journey", "wait")),
    ("stowait", "Active", ("journey", "wait")),
    ("stowait", "Failed", ("journey", "fail")),
    ("abnteststop", "Complete", ("journey", "decide")),
    ("restdecision", "Complete", ("journey", "decide")),
    ("rest", "Complete", ("api", "other")),
    ("salesforceLeadUpdate", "Complete", ("api", "other")),
    ("updatecontactdata", "Failed", ("api", "fail")),
    ("activeaudiencejourneyactivity", "Complete", ("ads", "other")),
    ("teleport", "Complete", ("other", "other")),
    ("teleport", "Failed", ("other", "fail")),
    ("", "Complete", ("other", "other")),
    ("", "", ("other", "other")),
]


def test_type_and_status_decide_channel_and_action(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"ActivityType": activity, "Status": status} for activity, status, _ in ACTIVITIES])
    found = in_order(made, "channel, action, activity_type, vendor_action")
    assert found == [(*expected, activity.lower() or None, status or None) for activity, status, expected in ACTIVITIES]


HELD_BACK = [
    ("JourneyBuilder_EMAILV2_24", "Error", "suppress"),
    ("JourneyBuilder_EMAILV2_180008", "Warning", "suppress"),
    ("JourneyBuilder_EMAILV2_5", "Error", "fail"),
    ("JourneyBuilder_EMAILV2_2", "Error", "fail"),
]


def test_a_mail_that_was_held_back_is_suppressed_and_not_failed(tmp_path: Path) -> None:
    records = []
    for code, level, _ in HELD_BACK:
        messages = f"Type:User;Level:{level};ErrorCode:{code};Message:No.;Parameters:[]"
        record = {"ActivityType": "emailv2", "Status": "Failed", "Result.Messages": messages}
        records += [record, {**record, "Status": "Complete"}, {**record, "ActivityType": "smssync"}]
    found = [action for (action,) in in_order(typed(tmp_path, *records), "action")]
    assert found == [each for _, _, action in HELD_BACK for each in (action, "send", "fail")]


REASONS = [
    ("", "", None),
    ("", "plain", "plain"),
    ("Type:User;Level:Error;ErrorCode:A;Message:Held back.;Parameters:[a=1;b=2]", "plain", "Held back."),
    ("Type:User;Level:Error;ErrorCode:A;Message:a;b: c.;Parameters:[m=;Message:no]", "", "a;b: c."),
    ("Type:User;Level:Error;ErrorCode:A;Message:no parameters", "", "no parameters"),
    ("Type:User;Level:Error;ErrorCode:A;Message:two\r\nlines;Parameters:[]", "", "two\r\nlines"),
    ("Type:A;Level:Error;Message:one;Parameters:[]|Type:B;Level:Warning;Message:two;Parameters:[]", "", "one"),
    ("Type:A;Level:Error;Message:one|Type:B;Level:Error;Message:two|Type:C;Level:Info;Message:three", "", "two"),
    ("Type:A;Level:Info;Message:one|Type:B;Level:Warning;Message:two", "", "two"),
    ("Type:A;Level:Info;Message:;Level:Error;|Type:B;Level:Info;Message:last", "", "last"),
    ("Type:A;Level:Error;Message:a|b;Parameters:[p=x|y]", "", "a|b"),
    ("Type:A;Level:Error;Message:;Parameters:[]", "plain", "plain"),
    ("not in the grammar", "plain", "plain"),
    ("not in the grammar", "", None),
]


def test_the_reason_is_the_message_of_the_last_error_else_of_the_last_entry(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"Result.Messages": messages, "Message": message} for messages, message, _ in REASONS])
    found = in_order(made, "reason, properties->>'result_messages', properties->>'message'")
    assert found == [(reason, messages or None, message or None) for messages, message, reason in REASONS]


WITH_A_KEY = [
    ("C-1", "Contact C-1 stays out, as does C-12; c-1.", "Contact * stays out, as does C-12; *."),
    ("+46(70)1.2", "no answer from +46(70)1.2, +46(70)1.23", "no answer from *, +46(70)1.23"),
    ("1", "answered 11 times with 1.1 or 500", "answered 11 times with *.* or 500"),
    (r"a\b$1", r"a\b$1 and a\b$1", "* and *"),
    ("Åke", "told åke and Åke", "told * and *"),
    ("", "nothing to hide", "nothing to hide"),
]


def test_the_persons_key_in_a_reason_becomes_a_star_and_stays_in_the_landing(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"ContactKey": contact, "Message": message} for contact, message, _ in WITH_A_KEY])
    found = in_order(made, "reason, properties->>'message'")
    assert found == [(reason, message) for _, message, reason in WITH_A_KEY]


ERROR_CODES = [
    ("Type:User;Level:Error;ErrorCode:X_1;Message:first;Parameters:[]|Type:User;Level:Info;ErrorCode:X_2", "X_1"),
    ("Type:User;Level:Info;Message:it said ErrorCode:X_3;Parameters:[]", None),
    ("Type:User;Level:Error;ErrorCode:;Message:none;Parameters:[]", None),
    ("free text", None),
]


def test_the_code_of_a_reason_is_that_of_its_entry(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"Result.Messages": messages} for messages, _ in ERROR_CODES])
    assert in_order(made, "reason_code") == [(code,) for _, code in ERROR_CODES]


def test_the_passage_and_the_next_step_are_columns_of_their_own_in_lower_case(tmp_path: Path) -> None:
    made = typed(tmp_path, {"DefinitionInstanceId": "7E0A-01", "OutcomeActivityId": "A2"}, {"Id": "other"})
    assert made.events("enrolment_id, next_activity_id")[0] == ("7e0a-01", "a2")


TIMES = [
    ("2026-11-20T09:58:11", "2026-11-20 09:58:11+00", False),
    ("2026-11-20T09:58:11Z", "2026-11-20 09:58:11+00", False),
    ("2026-11-20 09:58:11", "2026-11-20 09:58:11+00", False),
    ("2026-11-20T09:58:11.2Z", "2026-11-20 09:58:11.2+00", False),
    ("2026-11-20T09:58:11.204", "2026-11-20 09:58:11.204+00", False),
    ("2026-11-20T09:58:11.204123", "2026-11-20 09:58:11.204123+00", False),
    ("2026-11-20T09:58:11.2041239", "2026-11-20 09:58:11.204123+00", True),
    ("2026-11-20T09:58:11.2041239Z", "2026-11-20 09:58:11.204123+00", True),
    ("2026-11-20T09:58:11.204+02:00", "2026-11-20 07:58:11.204+00", True),
    ("2026-11-20T09:58:11-0530", "2026-11-20 15:28:11+00", False),
]


def test_times_are_read_with_any_fraction_and_offset_and_without_a_zone_are_utc(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"TransactionTime": time, "CreatedDate": time} for time, _, _ in TIMES])
    columns = "occurred_at::varchar, received_at::varchar, occurred_on::varchar, occurred_at_source"
    assert in_order(made, columns) == [(at, at, "2026-11-20", "TransactionTime") for _, at, _ in TIMES]
    # A timestamp keeps microseconds, in UTC: what says more stays as text too.
    assert in_order(made, "properties->>'transaction_time', properties->>'created_date'") == [
        (time, time) if kept else (None, None) for time, _, kept in TIMES
    ]


NO_TIMES = ["yesterday", "2026-11-20", "infinity", "epoch", "2026-02-30T00:00:00Z", "09:58:11", " "]


def test_an_unreadable_time_is_a_reject_that_keeps_it(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"TransactionTime": time, "ContactKey": "C-1"} for time in NO_TIMES])
    assert made.events() == []
    rejects = made.rejects("landing_row, reason, contact_id, occurred_at, properties->>'transaction_time'")
    assert [row[1:] for row in sorted(rejects)] == [("unreadable time", "C-1", None, time) for time in NO_TIMES]


def test_an_absent_time_is_a_reject(tmp_path: Path) -> None:
    assert typed(tmp_path, {"TransactionTime": ""}).rejects("reason") == [("no time",)]


def test_without_a_time_that_can_be_read_the_epoch_is_taken(tmp_path: Path) -> None:
    times = ["", "yesterday"]
    made = typed(tmp_path, *[{"TransactionTime": time, "EpochTimeInMilliseconds": "1795168691204"} for time in times])
    assert in_order(made, "occurred_at::varchar, occurred_at_source, properties->>'transaction_time'") == [
        ("2026-11-20 09:58:11.204+00", "EpochTimeInMilliseconds", time or None) for time in times
    ]


def test_an_epoch_that_is_no_time_is_not_taken(tmp_path: Path) -> None:
    epochs = ["0", "-5", "x", "99999999999999999999", "9223372036854775807"]
    made = typed(tmp_path, *[{"TransactionTime": "", "EpochTimeInMilliseconds": epoch} for epoch in epochs])
    rejects = made.rejects("landing_row, reason, properties->>'epoch_time_in_milliseconds'")
    assert [row[1:] for row in sorted(rejects)] == [("no time", epoch) for epoch in epochs]


def test_a_created_date_that_can_not_be_read_stays_as_text(tmp_path: Path) -> None:
    made = typed(tmp_path, {"CreatedDate": "tomorrow"})
    assert made.events("received_at, properties->>'created_date'") == [(None, "tomorrow")]


def test_ids_are_lower_case_and_the_contact_key_is_as_it_is(tmp_path: Path) -> None:
    made = typed(tmp_path, {"DefinitionId": "0E51-AB", "ActivityId": "A1", "ContactKey": "Ada@Example.org"})
    assert made.events("journey_id, activity_id, contact_id, email, journey_version, is_test") == [
        ("0e51-ab", "a1", "Ada@Example.org", None, None, False)
    ]


ODD = ["NULL", "007", " x ", "=1+1", 'a "b", c', "line\nbreak", "\ttab", "\N{GRINNING FACE}", "\u200f\u05e2", "\\n"]


def test_odd_text_comes_through_unchanged(tmp_path: Path) -> None:
    fields = ["ContactKey", "DefinitionName", "ActivityName", "EventName", "Result.Tags", "Result.Outcome"]
    made = typed(tmp_path, *[dict.fromkeys(fields, odd) for odd in ODD], *[{"Message": odd} for odd in ODD])
    names = ", ".join(f"properties->>'{name}'" for name in ("event_name", "result_tags"))
    found = in_order(made, f"contact_id, journey_name, activity_name, outcome, {names}")[: len(ODD)]
    assert found == [(odd,) * 6 for odd in ODD]
    assert in_order(made, "reason, properties->>'message'")[len(ODD) :] == [(odd,) * 2 for odd in ODD]


def test_every_column_of_the_file_is_in_an_event_column_or_in_the_properties(tmp_path: Path) -> None:
    record = {column: f"value of {column}" for column in COLUMNS} | {"TransactionTime": AT, "CreatedDate": AT}
    made = typed(tmp_path, record | {"Surprise": "kept"}, columns=(*COLUMNS, "Surprise"))
    (event,) = made.events()
    text = json.dumps([str(value) for value in event], ensure_ascii=False).lower()
    assert [
        name
        for name in COLUMNS
        if not name.endswith(("Time", "CreatedDate")) and f"value of {name}".lower() not in text
    ] == []
    assert '\\"surprise\\": \\"kept\\"' in text or '\\"surprise\\":\\"kept\\"' in text


def keys(made: MadeLanding) -> list[Any]:
    return [key for (key,) in made.events("event_key")]


def test_the_key_is_the_id_alone_whatever_else_changes(tmp_path: Path) -> None:
    one = typed(tmp_path / "1", {"Id": "7", "Status": "Waiting", "ContactKey": "a"})
    other = typed(tmp_path / "2", {"Id": "7", "Status": "Complete"}, columns=LEAN_COLUMNS)
    assert keys(one) == keys(other)


def test_without_an_id_the_content_is_the_key_and_does_not_depend_on_the_columns_asked_for(tmp_path: Path) -> None:
    blanks = ["", " ", "   "]
    records = [{"Id": blank, "ContactKey": f"a-{len(blank)}", "DefinitionName": "n"} for blank in blanks]
    whole = typed(tmp_path / "1", *[record | {"Message": "said"} for record in records])
    lean = typed(tmp_path / "2", *records, columns=tuple(name for name in LEAN_COLUMNS if name != "Id"))
    assert in_order(whole, "event_key") == in_order(lean, "event_key")
    assert whole.events("count(distinct event_key)") == [(3,)]


KEY_FIELDS = [
    "TransactionTime",
    "ContactKey",
    "Status",
    "DefinitionId",
    "DefinitionName",
    "ActivityId",
    "ActivityName",
    "ActivityType",
]


def test_records_without_an_id_that_differ_in_a_field_of_the_key_are_two_events(tmp_path: Path) -> None:
    other = "2026-11-20T09:58:11.205Z"
    made = typed(tmp_path, {"Id": ""}, *[{"Id": "", field: other} for field in KEY_FIELDS])
    assert len(set(keys(made))) == 1 + len(KEY_FIELDS)


def test_identical_records_without_an_id_are_as_many_events(tmp_path: Path) -> None:
    assert len(set(keys(typed(tmp_path, *[{"Id": "", "ContactKey": "a"}] * 3)))) == 3


def test_constants_of_a_filter_decide_like_columns_that_came(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path, recipe=JOURNEY_HISTORY)
    made.land(as_csv([["1", AT, "emailv2"]], ["Id", "TransactionTime", "ActivityType"]), constants={"Status": "Failed"})
    made.normalize()
    assert made.events("action, vendor_action") == [("fail", "Failed")]


def test_unknown_types_and_statuses_are_counted(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path, recipe=JOURNEY_HISTORY)
    rows = [["EMAILV2", "complete"], ["salesforceLead9", "FAILED"], ["Teleport", "Queued"], ["TELEPORT", "Queued"]]
    header = ["Id", "TransactionTime", "ActivityType", "Status"]
    made.land(as_csv([[str(number), AT, *row] for number, row in enumerate(rows)], header))
    assert made.normalize().unknown_codes == {"activity_type=teleport": 2, "vendor_action=Queued": 2}
