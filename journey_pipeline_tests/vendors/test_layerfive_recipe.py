from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.model import ACTIONS, CHANNELS
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_recipe
from journey_pipeline_tests.vendors.made_journeys import AT, MadeJourneys, answer, one, record, typed

pytestmark = pytest.mark.slow(reason="each value goes from a landing to events")

RECIPE = customer_journeys_recipe(MappingSettings())
TIMES = "occurred_at::varchar, occurred_at_source, properties->>'event_time'"
KEPT = "kept"


def test_every_code_table_gives_channels_and_actions_of_the_fixed_lists() -> None:
    for name, allowed in (("channels", CHANNELS), ("actions", ACTIONS)):
        with RECIPE.codes[name].open(newline="") as file:
            assert {row[1] for row in list(csv.reader(file))[1:]} <= allowed


@pytest.mark.parametrize(
    ("time", "expected", "kept"),
    [
        ("2026-11-19T08:15:30Z", "2026-11-19 08:15:30+00", None),
        ("2026-11-19T08:15:30.120Z", "2026-11-19 08:15:30.12+00", None),
        ("2026-11-19T08:15:30.123456Z", "2026-11-19 08:15:30.123456+00", None),
        ("2026-11-19T08:15:30.123456789Z", "2026-11-19 08:15:30.123456+00", KEPT),
        ("2026-11-19T10:15:30+02:00", "2026-11-19 08:15:30+00", KEPT),
        ("2026-11-19T03:15:30-0500", "2026-11-19 08:15:30+00", KEPT),
        ("2026-11-19 08:15:30.5 +00:00", "2026-11-19 08:15:30.5+00", KEPT),
        ("2026-11-19T08:15:30,5z", "2026-11-19 08:15:30.5+00", KEPT),
        ("2026-11-19T08:15:30", "2026-11-19 08:15:30+00", KEPT),
        ("2026-11-19 08:15:30", "2026-11-19 08:15:30+00", KEPT),
        ("2026-11-19T08:15Z", "2026-11-19 08:15:00+00", KEPT),
        (1763540130, "2025-11-19 08:15:30+00", KEPT),
        (1763540130.5, "2025-11-19 08:15:30.5+00", KEPT),
        ("1763540130123", "2025-11-19 08:15:30.123+00", KEPT),
        (1763540130123, "2025-11-19 08:15:30.123+00", KEPT),
        (1763540130123456, "2025-11-19 08:15:30.123456+00", KEPT),
    ],
)
def test_a_time_in_any_form_is_utc_and_kept_as_it_came_where_that_says_more(
    tmp_path: Path, time: Any, expected: str, kept: str | None
) -> None:
    assert one(tmp_path, TIMES, record(event_time=time)) == (expected, "event_time", kept and str(time))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-07-01T08:15:30", "2026-07-01 06:15:30+00"),
        ("2026-11-19 08:15:30", "2026-11-19 07:15:30+00"),
        ("2026-11-19", "2026-11-18 23:00:00+00"),
        ("2026-11-19T08:15:30Z", "2026-11-19 08:15:30+00"),
        ("2026-11-19T08:15:30-05:00", "2026-11-19 13:15:30+00"),
        (1763540130, "2025-11-19 08:15:30+00"),
    ],
)
def test_a_time_without_a_zone_is_of_the_connections(tmp_path: Path, time: Any, expected: str) -> None:
    columns = "occurred_at::varchar"
    assert one(tmp_path, columns, record(event_time=time), timezone="Europe/Berlin") == (expected,)


def test_a_date_alone_is_midnight_and_says_so(tmp_path: Path) -> None:
    expected = ("2026-11-19 00:00:00+00", "event_time (date alone)", "2026-11-19")
    assert one(tmp_path, TIMES, record(event_time="2026-11-19")) == expected


@pytest.mark.parametrize(
    "time",
    [
        "2026-02-30T00:00:00Z",
        "yesterday, at",
        "infinity__",
        "1970-01-01T00:00:00Z",
        0,
        -5,
        20261119,
        1e30,
        "0000-00-00",
    ],
)
def test_an_impossible_time_is_a_reject_with_its_raw_text(tmp_path: Path, time: Any) -> None:
    made = typed(tmp_path, record(event_time=time), record())
    assert made.events("landing_row") == [(2,)]
    ((reason, contact, raw, kept),) = made.rejects("reason, contact_id, raw, properties->>'event_time'")
    assert (reason, contact, json.loads(raw)["event_time"]) == ("unreadable time", "p-81", time)
    assert kept == (str(time) if isinstance(time, str) else json.dumps(time).replace("e+", "e"))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"individual_id": "p"}, "no time"),
        ({"individual_id": "p", "event_time": ""}, "no time"),
        ({"event_time": AT}, "no person"),
        ({"event_time": AT, "individual_id": None}, "no person"),
        ({"event_time": AT, "individual_id": ""}, "no person"),
        (7, "not a JSON object"),
        (None, "not a JSON object"),
        ([record()], "not a JSON object"),
    ],
)
def test_a_record_without_a_time_or_a_person_is_a_reject(tmp_path: Path, entry: Any, reason: str) -> None:
    made = typed(tmp_path, record(), entry, record(n=2))
    assert made.rejects("reason, raw, landing_row") == [(reason, json.dumps(entry), 2)]
    assert made.events("landing_row") == [(1,), (3,)]


@pytest.mark.parametrize(
    ("entry", "channel"),
    [
        ({"channel": "Email newsletter"}, "email"),
        ({"channel": "SMS"}, "sms"),
        ({"channel": "text message"}, "sms"),
        ({"channel": "WhatsApp"}, "whatsapp"),
        ({"channel": "push"}, "app_push"),
        ({"channel": "Web Push"}, "web_push"),
        ({"channel": "push (web)"}, "web_push"),
        ({"channel": "Paid Social"}, "ads"),
        ({"channel": "Affiliates"}, "ads"),
        ({"channel": "Display"}, "ads"),
        ({"medium": "cpc"}, "ads"),
        ({"channel": "Organic Search"}, "web"),
        ({"channel": "direct"}, "web"),
        ({"channel": "referral"}, "web"),
        ({"source": "social"}, "web"),
        ({"channel": "Billboard"}, "other"),
        ({"channel": "Billboard", "page_url": "/"}, "other"),
        ({"channel": "Billboard", "medium": "email"}, "other"),
        ({"page_url": "/"}, "web"),
        ({"event_type": "page_view"}, "web"),
        ({"event_type": "purchase"}, "other"),
        ({}, "other"),
    ],
)
def test_a_channel_is_told_by_what_it_contains(tmp_path: Path, entry: dict[str, str], channel: str) -> None:
    assert one(tmp_path, "channel", record(**entry)) == (channel,)


@pytest.mark.parametrize(
    ("entry", "action"),
    [
        ({"event_type": "Page_View"}, "visit"),
        ({"event_type": "session start"}, "visit"),
        ({"event_type": "ad_click"}, "click"),
        ({"event_type": "email_open"}, "open"),
        ({"event_type": "sent"}, "send"),
        ({"event_type": "purchase"}, "convert"),
        ({"event_type": "Checkout"}, "convert"),
        ({"event_type": "unsubscribed"}, "unsubscribe"),
        ({"event_type": "subscribe"}, "enter"),
        ({"event_type": "form_fill"}, "enter"),
        ({"event_type": "bounce", "channel": "email"}, "bounce"),
        ({"event_type": "email_bounce"}, "bounce"),
        ({"event_type": "bounced session"}, "visit"),
        ({"event_type": "bounced", "page_url": "/"}, "visit"),
        ({"event_type": "teleport"}, "other"),
    ],
)
def test_an_action_is_told_by_what_it_contains(tmp_path: Path, entry: dict[str, str], action: str) -> None:
    assert one(tmp_path, "action, vendor_action", record(**entry)) == (action, entry["event_type"])


@pytest.mark.parametrize(
    ("entry", "action"), [({"page_url": "/"}, "visit"), ({}, "other"), ({"page_url": ""}, "other")]
)
def test_without_an_action_a_page_is_a_visit(tmp_path: Path, entry: dict[str, str], action: str) -> None:
    assert one(tmp_path, "action, vendor_action", record(**entry)) == (action, action)


def test_actions_that_nothing_decodes_are_counted(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(answer(*[record(event_type=name) for name in ("view", "Teleport", "other")]))
    assert made.normalize().unknown_codes == {"vendor_action=Teleport": 1}


def test_addresses_are_lower_case_and_kept_as_they_came(tmp_path: Path) -> None:
    columns = "email, properties->>'email', contact_id"
    assert one(tmp_path / "1", columns, record(email="Ana@Example.org")) == (
        "ana@example.org",
        "Ana@Example.org",
        "p-81",
    )
    assert one(tmp_path / "2", columns, record(email="ana@example.org")) == ("ana@example.org", None, "p-81")
    lonely = {"email": "Ana@Example.org", "event_time": AT}
    assert one(tmp_path / "3", columns, lonely) == ("ana@example.org", "Ana@Example.org", "ana@example.org")


@pytest.mark.parametrize(
    "odd",
    [
        'a "b", c',
        "line\nbreak",
        "NUL \0 inside",
        "\N{GRINNING FACE}",
        "\u200f\u05e2",
        "\\u0000",
        " x ",
        "null",
        "x" * 1_000_000,
    ],
)
def test_odd_text_comes_through_unchanged(tmp_path: Path, odd: str) -> None:
    names = ("individual_id", "event_type", "campaign_id", "campaign", "ad_id", "ad_name", "note")
    made = typed(tmp_path, {"event_time": AT, **dict.fromkeys(names, odd)})
    columns = "contact_id, vendor_action, journey_id, journey_name, activity_id, activity_name"
    (event,) = made.events(f"{columns}, properties::varchar")
    assert event[:6] == (odd,) * 6
    assert json.loads(event[6]) == {"note": odd}


@pytest.mark.parametrize(
    ("text", "expected"), [(r'"cut \ud83d"', "cut \ufffd"), (r'"\ud83d\ude00"', "\N{GRINNING FACE}")]
)
def test_half_of_a_surrogate_pair_loses_nothing_else(tmp_path: Path, text: str, expected: str) -> None:
    body = f'[{{"individual_id": "p", "event_time": "{AT}", "campaign": {text}}}]'.encode()
    made = MadeJourneys(tmp_path).land(body)
    made.normalize()
    assert made.events("journey_name") == [(expected,)]


@pytest.mark.parametrize(
    "value",
    [
        True,
        81,
        -0.5,
        123456789012345678901234567890,
        "12345678901234567.89",
        "1e400",
        "0.1",
        {"a": [1, {"b": None}]},
        [],
    ],
)
def test_properties_keep_values_as_they_are(tmp_path: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    body = f'[{{"individual_id": "p", "event_time": "{AT}", "value": {text}, "nothing": null}}]'.encode()
    made = MadeJourneys(tmp_path).land(body)
    made.normalize()
    ((kept,),) = made.events("properties::varchar")
    assert json.loads(kept, parse_float=str).keys() == {"value"}
    assert json.loads(kept, parse_float=float) == {"value": json.loads(text, parse_float=float)}
    if value == "12345678901234567.89":
        assert value in kept


def test_everything_of_a_record_is_in_an_event_column_or_in_the_properties(tmp_path: Path) -> None:
    names = [name for name in (*RECIPE.columns, "visitor_id", "medium", "touchpoint_id", "id") if name != "content"]
    entry = record(**{name: f"value of {name}" for name in names if name not in {"occurred_at", "event_time"}})
    (event,) = typed(tmp_path, entry).events()
    text = json.dumps([str(value) for value in event], ensure_ascii=False)
    assert [value for value in entry.values() if value not in text and value != AT] == []


def test_numbers_serve_as_keys_and_stay_numbers_in_the_properties(tmp_path: Path) -> None:
    entry = record(individual_id=81, event_type=True)
    expected = ("81", "true", '{"individual_id":81,"event_type":true}')
    assert one(tmp_path, "contact_id, vendor_action, properties::varchar", entry) == expected


def test_a_long_answer_comes_through_in_order_whole(tmp_path: Path) -> None:
    made = typed(tmp_path, *[record(n=number) for number in range(20_000)])
    assert made.events("count(*), count(distinct event_key), min(landing_row), max(landing_row)") == [
        (20_000, 20_000, 1, 20_000)
    ]
    assert made.events("count(*) filter ((properties->>'n')::int <> landing_row - 1)") == [(0,)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_a_number_that_is_none_is_kept_where_nobody_needs_it(tmp_path: Path, word: str) -> None:
    odd = b'{"individual_id": "p-0", "event_time": "%s", "revenue": %s}' % (AT.encode(), word.encode())
    made = MadeJourneys(tmp_path).land(b"[" + odd + b", " + json.dumps(record()).encode() + b"]")
    manifest = made.normalize()
    assert (manifest.events.rows, manifest.rejects, manifest.unaccounted) == (2, None, 0)
    assert made.events("properties ->> 'revenue'")[0] == (word.replace("1e", "1E+"),)


def test_a_time_that_is_no_number_is_a_reject(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(
        b'[{"individual_id": "p", "event_time": NaN}, %s]' % json.dumps(record()).encode()
    )
    made.normalize()
    assert made.rejects("reason") == [("unreadable time",)]
