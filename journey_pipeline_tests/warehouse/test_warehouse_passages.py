"""Passages of a small world of each vendor, and the marts of them, written down by hand; and passages that are odd."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import StreamKey
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.reading import SESSION
from journey_pipeline_tests.warehouse.made_lake import INSIDER, MIDNIGHT, SFMC, Event, MadeLake, rows_of, vouch
from journey_pipeline_tests.warehouse.messages import assert_messages_are_as_in_the_model
from journey_pipeline_tests.warehouse.passages import assert_marts_are_as_in_the_model

pytestmark = pytest.mark.slow(reason="a warehouse is made in each test")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
APSIS = StreamKey("apsis", "apsis", "profile_events")
EMAILS = StreamKey("apsis", "apsis", "email_events")
LAYERFIVE = StreamKey("layerfive", "layerfive", "customer_journeys")
HOUR, DAY = "2026-11-01T00", "2026-11-01"


@dataclass(frozen=True)
class Walked(Event):
    """An event of a passage, with any other columns."""

    others: dict[str, Any] = field(default_factory=dict)

    def columns(self, stream: StreamKey, partition: str) -> dict[str, Any]:
        return super().columns(stream, partition) | self.others


def walk(first_key: int, told: str, **same: Any) -> list[Event]:
    """Events from lines of `minutes action activity [column=value ...]`; a step without a name is `-`."""
    events: list[Event] = []
    for line in filter(None, map(str.strip, told.splitlines())):
        minutes, action, activity, *others = line.split()
        named: dict[str, Any] = {"channel": "email" if action in {"send", "fail", "suppress", "open"} else "journey"}
        named |= same.get("others", {}) | {name: value or None for name, value in (each.split("=") for each in others)}
        key = first_key + len(events)
        at = MIDNIGHT + timedelta(minutes=float(minutes))
        step = None if activity == "-" else activity
        chosen = {name: value for name, value in same.items() if name != "others"}
        events.append(Walked(key, at, row=key, action=action, activity=step, others=named, **chosen))
    return events


def listed(journey: str, graph: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {
            "activity_id": step,
            "journey_id": journey,
            "activity_key": step.upper(),
            "activity_name": f"Step {step}",
            "activity_type": "EMAILV2",
            "outcomes": str([{"next": other.upper()} for other in others] or [{"key": "x"}]).replace("'", '"'),
        }
        for step, others in graph.items()
    ]


def synced(made: MadeLake) -> MadeLake:
    assert not sync(made.lake, SMALL).broken
    assert_marts_are_as_in_the_model(warehouse_file(made.lake))
    return made


def asked(made: MadeLake, sql: str) -> list[tuple[Any, ...]]:
    return rows_of(warehouse_file(made.lake), sql)


ENROLMENTS = """
    select enrolment_id, enrolment_number, strftime(entered_at, '%H:%M'), status, end_reason, last_activity_id,
        next_activity_id, steps, sends, failures
    from marts.journey_enrolments order by first_event_at, enrolment_id
"""
FUNNEL = """
    select journey_id, activity_id, reached, done, failed, went_on, ended_here, open_here
    from marts.journey_funnel order by all
"""
MOVES = """
    select from_activity_id, to_activity_id, moves, seconds_total from marts.journey_transitions order by all
"""


def test_passages_of_salesforce_are_those_that_it_numbers(made: MadeLake) -> None:
    made.put_dimension(
        "journeys",
        [
            {"journey_id": version, "journey_root_id": "r", "journey_name": "Welcome", "version": number}
            for number, version in enumerate(["v1", "v2"], 1)
        ],
    )
    made.put_dimension(
        "activities", listed("v1", {"mail": ["wait"], "wait": ["sms", "end"], "sms": ["end"], "end": []})
    )
    finished = """
        0    enter start  enrolment_id=p1 next_activity_id=mail
        0    enter begun  enrolment_id=p1 next_activity_id=mail
        0    send  mail   enrolment_id=p1 next_activity_id=wait
        60   wait  wait   enrolment_id=p1 next_activity_id=end
    """
    failed = """
        1    enter start  enrolment_id=p2 next_activity_id=mail
        2    fail  mail   enrolment_id=p2 reason_code=E24
    """
    refused = "3 skip start enrolment_id=p3 reason_code=E500"
    again = """
        90   enter start  enrolment_id=p4 next_activity_id=mail
        91   send  mail   enrolment_id=p4 next_activity_id=wait
    """
    goal = """
        5    wait    wait enrolment_id=p5 next_activity_id=sms
        6    convert aim  enrolment_id=p5 activity_name=Bought
    """
    made.put(
        HOUR,
        walk(1, finished, journey="v1")
        + walk(11, failed, journey="v1", contact="C-2")
        + walk(21, refused, journey="v1", contact="C-3")
        + walk(31, again, journey="v2")
        + walk(41, goal, journey="v1", contact="C-4"),
    )
    synced(made)
    assert asked(made, ENROLMENTS) == [
        ("p1", 1, "00:00", "finished", None, "wait", None, 2, 1, 0),
        ("p2", 1, "00:01", "failed", "E24", "mail", None, 1, 0, 1),
        ("p3", None, None, "refused", "E500", None, None, 0, 0, 0),
        ("p5", 1, None, "converted", "Bought", "aim", None, 2, 0, 0),
        ("p4", 2, "01:30", "open", None, "mail", "wait", 1, 1, 0),
    ]
    assert asked(made, FUNNEL) == [
        ("v1", "entered", 2, 2, 0, 2, 0, 0),
        ("v1", "mail", 2, 1, 1, 1, 1, 0),
        ("v1", "wait", 1, 1, 0, 0, 1, 0),
        ("v2", "entered", 1, 1, 0, 1, 0, 0),
        ("v2", "mail", 1, 1, 0, 0, 0, 1),
    ]
    assert asked(made, MOVES) == [
        ("entered", "mail", 1, 60),
        ("entered", "mail", 2, 60),
        ("mail", "failed", 1, None),
        ("mail", "open", 1, None),
        ("mail", "wait", 1, 3600),
        ("wait", "finished", 1, None),
    ]
    now = "select journey_root_id, journey_name, journey_version, activity_id, enrolments from marts.journeys_now"
    assert asked(made, now) == [("r", "Welcome", 2, "wait", 1)]


def test_a_person_enters_an_automation_of_apsis_again_with_each_enter_a_minute_after_the_last(made: MadeLake) -> None:
    told = """
        0    wait   delay
        10   enter  -
        10.5 enter  -
        11   send   mail
        11.1 open   mail
        40   exit   out
        500  enter  -
        501  send   mail
    """
    made.put(DAY, walk(1, told, journey="au-1"), APSIS)
    # The same message as its e-mail tells it, which is no journey.
    made.put(DAY, walk(21, "11 send ea-1 message_id=ea-1", journey="ea-1", contact="a@example.org"), EMAILS)
    synced(made)
    milliseconds = [1793491200000 + minute * 60_000 for minute in (0, 10, 500)]
    assert asked(made, ENROLMENTS) == [
        (f"C-1|au-1|{milliseconds[0]}", 1, None, "open", None, "delay", None, 1, 0, 0),
        (f"C-1|au-1|{milliseconds[1]}", 2, "00:10", "finished", None, "mail", None, 1, 1, 0),
        (f"C-1|au-1|{milliseconds[2]}", 3, "08:20", "open", None, "mail", None, 1, 1, 0),
    ]
    assert asked(made, FUNNEL) == [
        ("au-1", "entered", 2, 2, 0, 2, 0, 0),
        ("au-1", "mail", 2, 2, 0, 0, 1, 1),
    ]
    assert asked(made, MOVES) == [
        ("entered", "mail", 2, 120),
        ("mail", "finished", 1, None),
        ("mail", "open", 1, None),
    ]


def test_passages_of_insider_end_as_their_exit_says(made: MadeLake) -> None:
    told = """
        0 enter -
        1 send  64578
        2 exit  - reason={reason} activity_name=
    """
    for number, reason in enumerate(["completed", "exit_criteria", "dropped"]):
        made.put(
            f"2026-11-0{number + 1}",
            walk(number * 10 + 1, told.format(reason=reason), journey="5725", contact=f"C-{number}"),
            INSIDER,
        )
    synced(made)
    assert asked(made, "select contact_id, status, end_reason, sends from marts.journey_enrolments order by 1") == [
        ("C-0", "finished", None, 1),
        ("C-1", "exited", "exit_criteria", 1),
        ("C-2", "exited", "dropped", 1),
    ]


def test_a_campaign_of_layerfive_is_a_passage_of_unknown_entry(made: MadeLake) -> None:
    told = """
        0 click -
        1 visit -
        9 convert -
    """
    made.put(DAY, walk(1, told, journey="Sale", others={"channel": "ads", "activity_name": None}), LAYERFIVE)
    made.put("2026-11-02", walk(11, "2000 visit -", journey="Sale", contact="C-2"), LAYERFIVE)
    synced(made)
    entries = "select contact_id, entry_is_known, entered_on::varchar, status, steps from marts.journey_enrolments"
    assert asked(made, f"{entries} order by 1") == [
        ("C-1", False, "2026-11-01", "converted", 3),
        ("C-2", False, "2026-11-02", "open", 1),
    ]
    assert asked(made, FUNNEL) == []


def test_a_test_is_in_no_mart(made: MadeLake) -> None:
    made.put(HOUR, walk(1, "0 enter start enrolment_id=p1", is_test=True))
    synced(made)
    assert asked(made, ENROLMENTS) == []


def test_steps_of_one_instant_and_of_a_loop_are_counted_once_for_each_passage(made: MadeLake) -> None:
    """Steps whose graph is a ring, at an unlisted version, all at the same millisecond."""
    made.put_dimension("activities", listed("J-1", {"a": ["b"], "b": ["c"], "c": ["a"]}))
    ring = "\n".join(f"7 decide {step} enrolment_id=p1" for step in "abcabc")
    made.put(HOUR, walk(1, f"7 enter start enrolment_id=p1\n{ring}") + walk(91, ring, journey="J-9"))
    synced(made)
    reached = "select activity_id, reached, went_on + ended_here + open_here from marts.journey_funnel order by 1"
    assert asked(made, reached) == [("a", 1, 1), ("b", 1, 1), ("c", 1, 1), ("entered", 1, 1)]
    assert asked(made, "select sum(moves)::bigint from marts.journey_transitions") == [(7,)]


@pytest.mark.parametrize("refused_at", ["a", "z"])
def test_an_entry_that_is_refused_in_its_instant_is_one_passage_whatever_its_steps_are_called(
    made: MadeLake, refused_at: str
) -> None:
    """Without a number of the vendor, only the enter and its time tell the passage."""
    made.put(HOUR, walk(1, f"0 skip {refused_at} reason_code=E500\n0 enter start\n1 send mail"))
    synced(made)
    enrolments = "select status, first_event_at, sends from marts.journey_enrolments"
    assert asked(made, enrolments) == [("refused", MIDNIGHT, 1)]


def test_a_number_that_two_people_or_two_versions_have_is_of_several_enrolments(made: MadeLake) -> None:
    """Until the second comes, and again when it has gone, the number stands alone."""
    told = "0 enter start enrolment_id=p1\n1 send mail enrolment_id=p1"
    made.put(HOUR, walk(1, told, journey="v1"))
    synced(made)
    keys = "select enrolment_id, contact_id, journey_id, sends from marts.journey_enrolments order by all"
    alone = [("p1", "C-1", "v1", 1)]
    assert asked(made, keys) == alone
    made.put("2026-11-01T01", walk(11, told, journey="v1", contact="C-2") + walk(21, told, journey="v2"))
    synced(made)
    assert [row[0] for row in asked(made, keys)] == ["p1|C-1|v1", "p1|C-1|v2", "p1|C-2|v1"]
    made.put("2026-11-01T01", [])
    synced(made)
    assert asked(made, keys) == alone


def test_a_passage_of_ten_thousand_steps_and_a_person_with_a_hundred_thousand_passages_are_counted(
    made: MadeLake,
) -> None:
    """One person at Salesforce has one long passage, one at Insider enters every two minutes; memory is limited."""
    for stream, partition, many, chosen in (
        (SFMC, HOUR, 10_000, {"enrolment_id": "'p1'", "activity_id": "concat('A-', number % 7)", "action": "'send'"}),
        (INSIDER, DAY, 100_000, {"action": "'enter'", "activity_id": "null::varchar"}),
    ):
        template = made.put(partition, [Event(1)], stream)
        file = made.lake.events_file(stream, partition)
        moved = {
            "event_key": "md5(concat(connection, number))",
            "occurred_at": "occurred_at + to_minutes(2 * number)",
            "occurred_on": "(occurred_at + to_minutes(2 * number))::date",
        }
        replaced = ", ".join(f"{value} as {name}" for name, value in (moved | chosen).items())
        SESSION.execute(
            f"copy (select told.* replace ({replaced}) from read_parquet('{file}') as told, range({many}) many(number))"
            f" to '{file}.many' (format parquet)"
        )
        file.with_name(f"{file.name}.many").replace(file)
        template.model_copy(update={"events": vouch(file, many), "landed": many}).write(
            made.lake.events_manifest(stream, partition)
        )
    assert not sync(made.lake, SMALL).broken
    sql = "select connection, max(steps), count(*), max(enrolment_number) from marts.journey_enrolments group by 1"
    assert asked(made, f"{sql} order by 1") == [("insider", 0, 100_000, 100_000), ("sfmc", 10_000, 1, 1)]


def test_macros_count_a_funnel_in_order_strictly_in_any_order_and_within_a_time(made: MadeLake) -> None:
    """Four paths: a b, a x b, b a, and a alone; between two steps is an hour. A fifth person's entry is not known."""
    for number, path in enumerate(["ab", "axb", "ba", "a"]):
        lines = [f"{60 * place} wait {step} enrolment_id=p{number}" for place, step in enumerate(path, 1)]
        told = "\n".join(["0 enter start", *lines]).replace("start", f"start enrolment_id=p{number}")
        made.put(f"2026-11-01T0{number}", walk(number * 10 + 1, told, contact=f"C-{number}"))
    made.put("2026-11-01T09", walk(91, "0 wait a enrolment_id=p9\n1 wait b enrolment_id=p9"))
    synced(made)

    def funnel(more: str = "") -> list[int]:
        rows = asked(made, f"select reached from marts.funnel('J-1', ['a', 'b']{more}) order by number")
        return [reached for (reached,) in rows]

    assert funnel() == [4, 4, 2]
    assert funnel(", mode := 'strict'") == [4, 4, 1]
    assert funnel(", mode := 'any'") == [4, 4, 3]
    assert funnel(", within := interval 2 hours") == [4, 4, 1]
    assert funnel(", first_day := date '2026-11-02'") == [0, 0, 0]
    times = "select from_step_key, to_step_key, moves, seconds_median, seconds_p95 from marts.step_times('J-1')"
    assert asked(made, f"{times} order by all limit 2") == [("a", "b", 1, 3600, 3600), ("a", "x", 1, 3600, 3600)]
    assert asked(made, "select entered, in_it_now from marts.people('J-1')") == [(4, 4)]
    log = "select activity from marts.event_log where case_id = 'p1' order by position"
    assert asked(made, log) == [("entered",), ("First mail",), ("First mail",), ("First mail",)]


def test_two_versions_and_two_variants_stand_side_by_side(made: MadeLake) -> None:
    made.put_dimension(
        "journeys",
        [
            {"journey_id": f"v{number}", "journey_root_id": "r", "journey_name": "Welcome", "version": number}
            for number in (1, 2)
        ],
    )
    first = "0 enter start enrolment_id=p1\n1 decide split enrolment_id=p1 outcome=A\n2 send mail enrolment_id=p1"
    second = first.replace("p1", "p2").replace("outcome=A", "outcome=B").replace("send", "fail")
    third = "0 enter start enrolment_id=p3\n1 decide split enrolment_id=p3 outcome=A"
    made.put(HOUR, walk(1, first, journey="v1") + walk(11, second, journey="v2") + walk(21, third, journey="v2"))
    synced(made)
    sides = "select step_key, reached_one, share_one, reached_other, share_other from marts"
    assert asked(made, f"{sides}.funnel_of_versions('r', 1, 2) order by 1") == [
        ("entered", 1, 1, 2, 1),
        ("mail", 1, 1, 1, 0.5),
        ("split", 1, 1, 2, 1),
    ]
    assert asked(made, f"{sides}.funnel_of_variants('r', 'split', 'A', 'B') order by 1") == [
        ("mail", 1, 0.5, 1, 1),
        ("split", 2, 1, 1, 1),
    ]


def test_a_response_belongs_to_the_last_send_of_thirty_days_and_what_is_not_told_is_null(made: MadeLake) -> None:
    sent, opened, clicked, late = 0, 10, 20, 60 * 24 * 31
    told = f"""
        {opened - 15} open ea-1
        {sent}    send ea-1
        {opened}  open ea-1
        {clicked} send ea-1
        {clicked} click ea-1
        {late}    open ea-1
    """
    alone = {"message_id": "ea-1", "email": "a@example.org", "channel": "email"}
    made.put(DAY, walk(1, told, journey="ea-1", others=alone), EMAILS)
    made.put(HOUR, walk(31, "0 send mail enrolment_id=p1 message_id=mail"))
    synced(made)
    assert_messages_are_as_in_the_model(warehouse_file(made.lake))
    came = "select sent_at is not null, status, opens, clicks, journey_id, domain from marts.messages"
    assert asked(made, f"{came} where connection = 'apsis' order by sent_on, first_clicked_at, sent_at") == [
        (False, None, 1, 0, None, "example.org"),
        (True, "sent", 0, 1, None, "example.org"),
        (True, "sent", 1, 0, None, "example.org"),
        (False, None, 1, 0, None, "example.org"),
    ]
    counts = "select connection, sum(sent), sum(opened), sum(clicked), sum(delivered), sum(responses_without_send)"
    assert asked(made, f"{counts} from marts.email_performance group by 1 order by 1") == [
        ("apsis", 2, 1, 1, None, 2),
        ("sfmc", 1, None, None, None, 0),
    ]
    rates = "select connection, sent, open_rate, click_to_open, bounce_rate from marts.email_rates() order by 1"
    assert asked(made, rates) == [("apsis", 2, 0.5, 1, None), ("sfmc", 1, None, None, None)]


def test_a_purchase_has_the_last_click_before_it_at_any_vendor(made: MadeLake) -> None:
    others = {"email": "a@example.org", "activity_name": None}
    touches = "0 open ea-1 message_id=ea-1\n10 click ea-1 message_id=ea-1 channel=email\n20 open ea-1 message_id=ea-1"
    made.put(DAY, walk(1, touches, journey="ea-1", others=others), EMAILS)
    bought = '70 convert - channel=web properties={"order_id":"o-1","revenue":20.5,"currency":"EUR"}'
    made.put(DAY, walk(11, bought, journey=None, others=others), LAYERFIVE)
    synced(made)
    sql = "select order_id, amount::varchar, currency, last_touch_connection, last_touch_hours from marts.purchases"
    assert asked(made, sql) == [("o-1", "20.50", "EUR", "apsis", 1)]


def name_people(made: MadeLake, **addresses: str) -> None:
    """Says whose address is whose at Salesforce."""
    made.lake.contacts_root.mkdir()
    lines = [f"{contact.replace('_', '-')},{address}\n" for contact, address in addresses.items()]
    (made.lake.contacts_root / "sfmc.csv").write_text("".join(["contact_id,email\n", *lines]))


def test_a_touch_is_of_the_same_person_and_counts_as_long_as_the_settings_say(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C-1 of Salesforce, whose address only a file tells, buys by that address; C-2, who clicks too, is another."""
    name_people(made, C_1="A@example.org")
    touches = "0 click mail channel=email\n7190 click text channel=sms"
    made.put_dimension("journeys", [{"journey_id": "v1", "journey_root_id": "r", "journey_name": "Welcome"}])
    made.put(
        HOUR,
        walk(1, touches, journey="v1", others={"enrolment_id": "p1"})
        + walk(11, "100 click mail channel=email", journey="v1", contact="C-2", others={"enrolment_id": "p2"}),
    )
    bought = "\n".join(f"{minute} convert - channel=web" for minute in (60, 7200, 7201, 8631))
    buyer = {"email": "a@example.org", "activity_name": None}
    made.put(DAY, walk(21, bought, journey=None, contact="V-1", others=buyer), LAYERFIVE)
    synced(made)
    sql = """
        select last_touch_activity_id, last_touch_hours::integer, last_touch_journey_root_id, first_touch_activity_id
        from marts.purchases order by occurred_at
    """
    assert asked(made, sql) == [
        ("mail", 1, "r", "mail"),
        ("text", 0, "r", "mail"),
        ("text", 0, "r", "text"),
        (None, None, None, None),
    ]
    monkeypatch.setenv("JOURNEY_PIPELINE_EMAIL_TOUCH_HOURS", "0.5")
    monkeypatch.setenv("JOURNEY_PIPELINE_OTHER_TOUCH_HOURS", "48")
    synced(made)
    assert [row[0] for row in asked(made, sql)] == [None, "text", "text", "text"]


def test_local_days_are_those_of_the_time_zone_in_the_settings(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Midnight, UTC, is the evening before in Honolulu."""
    made.put(HOUR, walk(1, "0 enter -\n1 send mail message_id=m", journey="v1", others={"enrolment_id": "p1"}))
    sql = """
        select 'enrolments', entered_on - local_on from marts.journey_enrolments union all
        select 'messages', sent_on - local_on from marts.messages union all
        select 'timeline', max(occurred_on - local_on) from marts.contact_timeline order by all
    """
    synced(made)
    assert asked(made, sql) == [("enrolments", 0), ("messages", 0), ("timeline", 0)]
    monkeypatch.setenv("JOURNEY_PIPELINE_REPORT_TIMEZONE", "Pacific/Honolulu")
    synced(made)
    assert asked(made, sql) == [("enrolments", 1), ("messages", 1), ("timeline", 1)]
    monkeypatch.setenv("JOURNEY_PIPELINE_REPORT_TIMEZONE", "Hawai")
    with pytest.raises(ConfigError, match="REPORT_TIMEZONE is 'Hawai': it is no time zone"):
        synced(made)


def test_the_pressure_on_a_person_is_that_of_each_connection_and_of_all_together(made: MadeLake) -> None:
    """One person under two keys at APSIS and one at Salesforce, mailed on days 0, 6, 7 and 29; C-2 is another."""
    name_people(made, C_1="a@example.org")
    day = 24 * 60
    mails = f"0 send mail message_id=m\n{7 * day} send mail message_id=m\n{7 * day} fail mail message_id=m"
    made.put(HOUR, walk(1, mails, others={"channel": "email"}) + walk(11, "0 send mail message_id=m", contact="C-2"))
    known = {"email": "a@example.org", "channel": "email"}
    for number, minute in enumerate([6 * day, 29 * day]):
        told = f"{minute} send ea-1 message_id=ea-1\n{minute} open ea-1 message_id=ea-1"
        made.put(
            f"2026-11-0{number + 1}",
            walk(20 + 10 * number, told, journey="ea-1", contact=f"P-{number}", others=known),
            EMAILS,
        )
    synced(made)
    person = hashlib.md5(b"a@example.org", usedforsecurity=False).hexdigest()
    pressure = """
        select connection, day(sent_on), messages, messages_7_days, messages_30_days, all_7_days, all_30_days
        from marts.pressure_daily where {} order by sent_on
    """
    assert asked(made, pressure.format(f"person_id = '{person}'")) == [
        ("sfmc", 1, 1, 1, 1, 1, 1),
        ("apsis", 7, 1, 1, 1, 2, 2),
        ("sfmc", 8, 1, 1, 2, 2, 3),
        ("apsis", 30, 1, 1, 2, 1, 4),
    ]
    assert asked(made, pressure.format(f"person_id <> '{person}'")) == [("sfmc", 1, 1, 1, 1, 1, 1)]


def test_a_timeline_has_all_of_one_person_in_order_and_counts_people_not_keys(made: MadeLake) -> None:
    """At one instant: entering, the steps by their ranks, leaving; and what another vendor tells of the same person."""
    name_people(made, C_1="a@example.org", C_2="A@example.org")
    made.put_dimension("activities", listed("J-1", {"b": ["a"], "a": []}))
    told = "5 exit out\n5 send a\n5 send b\n5 enter start"
    made.put(
        HOUR,
        walk(1, told, others={"enrolment_id": "p1"})
        + walk(11, "9 enter start enrolment_id=p2", contact="C-2")
        + walk(21, "9 enter start enrolment_id=p3", contact="C-3"),
    )
    made.put(DAY, walk(31, "4 open ea-1 message_id=ea-1", journey="ea-1", others={"email": "a@example.org"}), EMAILS)
    synced(made)
    timeline = """
        select connection, contact_id, action, activity_id, instant_order from marts.contact_timeline
        where person_id = md5('a@example.org') order by occurred_at, instant_order
    """
    assert asked(made, timeline) == [
        ("apsis", "C-1", "open", "ea-1", 1000),
        ("sfmc", "C-1", "enter", "start", 0),
        ("sfmc", "C-1", "send", "b", 1000),
        ("sfmc", "C-1", "send", "a", 1001),
        ("sfmc", "C-1", "exit", "out", 2000),
        ("sfmc", "C-2", "enter", "start", 0),
    ]
    assert asked(made, "select count(*), count(distinct person_id) from marts.contact_timeline") == [(7, 2)]
    assert asked(made, "select entered from marts.people('J-1')") == [(2,)]
