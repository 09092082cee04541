from __future__ import annotations

import csv
import json
from itertools import groupby
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


def in_order(made: MadeJourneys, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events, in the order of their records."""
    return [row[1:] for row in sorted(made.events(f"landing_row, {columns}"), key=lambda row: int(row[0]))]


def test_every_code_table_gives_channels_and_actions_of_the_fixed_lists() -> None:
    for name, allowed in (("channels", CHANNELS), ("actions", ACTIONS)):
        with RECIPE.codes[name].open(newline="") as file:
            assert {row[1] for row in list(csv.reader(file))[1:]} <= allowed


FORMS = [
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
]


def test_a_time_in_any_form_is_utc_and_kept_as_it_came_where_that_says_more(tmp_path: Path) -> None:
    made = typed(tmp_path, *[record(event_time=time, n=number) for number, (time, _, _) in enumerate(FORMS)])
    assert in_order(made, TIMES) == [(at, "event_time", kept and str(time)) for time, at, kept in FORMS]


IN_BERLIN = [
    ("2026-07-01T08:15:30", "2026-07-01 06:15:30+00"),
    ("2026-11-19 08:15:30", "2026-11-19 07:15:30+00"),
    ("2026-11-19", "2026-11-18 23:00:00+00"),
    ("2026-11-19T08:15:30Z", "2026-11-19 08:15:30+00"),
    ("2026-11-19T08:15:30-05:00", "2026-11-19 13:15:30+00"),
    (1763540130, "2025-11-19 08:15:30+00"),
]


def test_a_time_without_a_zone_is_of_the_connections(tmp_path: Path) -> None:
    records = [record(event_time=time, n=number) for number, (time, _) in enumerate(IN_BERLIN)]
    made = typed(tmp_path, *records, timezone="Europe/Berlin")
    assert in_order(made, "occurred_at::varchar") == [(expected,) for _, expected in IN_BERLIN]


def test_a_date_alone_is_midnight_and_says_so(tmp_path: Path) -> None:
    expected = ("2026-11-19 00:00:00+00", "event_time (date alone)", "2026-11-19")
    assert one(tmp_path, TIMES, record(event_time="2026-11-19")) == expected


IMPOSSIBLE = [
    "2026-02-30T00:00:00Z",
    "yesterday, at",
    "infinity__",
    "1970-01-01T00:00:00Z",
    0,
    -5,
    20261119,
    1e30,
    "0000-00-00",
]


def test_an_impossible_time_is_a_reject_with_its_raw_text(tmp_path: Path) -> None:
    made = typed(tmp_path, *[record(event_time=time, n=number) for number, time in enumerate(IMPOSSIBLE)], record())
    assert made.events("landing_row") == [(len(IMPOSSIBLE) + 1,)]
    rejects = sorted(made.rejects("landing_row, reason, contact_id, raw, properties->>'event_time'"))
    assert len(rejects) == len(IMPOSSIBLE)
    for time, (_, reason, contact, raw, kept) in zip(IMPOSSIBLE, rejects, strict=True):
        assert (reason, contact, json.loads(raw)["event_time"]) == ("unreadable time", "p-81", time)
        assert kept == (str(time) if isinstance(time, str) else json.dumps(time).replace("e+", "e"))


LACKING = [
    ({"individual_id": "p"}, "no time"),
    ({"individual_id": "p", "event_time": ""}, "no time"),
    ({"event_time": AT}, "no person"),
    ({"event_time": AT, "individual_id": None}, "no person"),
    ({"event_time": AT, "individual_id": ""}, "no person"),
    (7, "not a JSON object"),
    (None, "not a JSON object"),
    ([record()], "not a JSON object"),
]


def test_a_record_without_a_time_or_a_person_is_a_reject(tmp_path: Path) -> None:
    made = typed(tmp_path, record(), *[entry for entry, _ in LACKING], record(n=2))
    assert sorted(made.rejects("landing_row, reason, raw")) == [
        (number, reason, json.dumps(entry)) for number, (entry, reason) in enumerate(LACKING, start=2)
    ]
    assert in_order(made, "landing_row") == [(1,), (len(LACKING) + 2,)]


OF_CHANNELS: list[tuple[dict[str, str], str]] = [
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
]


def test_a_channel_is_told_by_what_it_contains(tmp_path: Path) -> None:
    # The names that an answer has decide where a channel is looked for.
    by_names = groupby(sorted(OF_CHANNELS, key=lambda told: sorted(told[0])), key=lambda told: sorted(told[0]))
    for names, group in by_names:
        told = list(group)
        made = typed(tmp_path / "-".join(["of", *names]), *[record(n=n, **entry) for n, (entry, _) in enumerate(told)])
        assert in_order(made, "channel") == [(channel,) for _, channel in told]


OF_ACTIONS = [
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
]


def test_an_action_is_told_by_what_it_contains(tmp_path: Path) -> None:
    made = typed(tmp_path, *[record(n=number, **entry) for number, (entry, _) in enumerate(OF_ACTIONS)])
    assert in_order(made, "action, vendor_action") == [(action, entry["event_type"]) for entry, action in OF_ACTIONS]


def test_without_an_action_a_page_is_a_visit(tmp_path: Path) -> None:
    entries: list[dict[str, str]] = [{"page_url": "/"}, {}, {"page_url": ""}]
    made = typed(tmp_path, *[record(n=number, **entry) for number, entry in enumerate(entries)])
    assert in_order(made, "action, vendor_action") == [("visit",) * 2, ("other",) * 2, ("other",) * 2]


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


ODD = [
    'a "b", c',
    "line\nbreak",
    "NUL \0 inside",
    "\N{GRINNING FACE}",
    "\u200f\u05e2",
    "\\u0000",
    " x ",
    "null",
    "x" * 1_000_000,
]


def test_odd_text_comes_through_unchanged(tmp_path: Path) -> None:
    names = ("individual_id", "event_type", "campaign_id", "campaign", "ad_id", "ad_name", "note")
    made = typed(tmp_path, *[{"event_time": AT, **dict.fromkeys(names, odd)} for odd in ODD])
    columns = "contact_id, vendor_action, journey_id, journey_name, activity_id, activity_name"
    for odd, event in zip(ODD, in_order(made, f"{columns}, properties::varchar"), strict=True):
        assert event[:6] == (odd,) * 6
        assert json.loads(event[6]) == {"note": odd}


def test_half_of_a_surrogate_pair_loses_nothing_else(tmp_path: Path) -> None:
    texts = {r'"cut \ud83d"': "cut \ufffd", r'"\ud83d\ude00"': "\N{GRINNING FACE}"}
    records = [f'{{"individual_id": "p", "event_time": "{AT}", "campaign": {text}}}' for text in texts]
    made = MadeJourneys(tmp_path).land(f"[{', '.join(records)}]".encode())
    made.normalize()
    assert in_order(made, "journey_name") == [(expected,) for expected in texts.values()]


VALUES = [
    True,
    81,
    -0.5,
    123456789012345678901234567890,
    "12345678901234567.89",
    "1e400",
    "0.1",
    {"a": [1, {"b": None}]},
    [],
]


def test_properties_keep_values_as_they_are(tmp_path: Path) -> None:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in VALUES]
    records = [
        f'{{"individual_id": "p-{number}", "event_time": "{AT}", "value": {text}, "nothing": null}}'
        for number, text in enumerate(texts)
    ]
    made = MadeJourneys(tmp_path).land(f"[{', '.join(records)}]".encode())
    made.normalize()
    for value, text, (kept,) in zip(VALUES, texts, in_order(made, "properties::varchar"), strict=True):
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


def test_a_number_that_is_none_is_kept_where_nobody_needs_it(tmp_path: Path) -> None:
    words = ["NaN", "Infinity", "-Infinity", "1e400"]
    odd = [f'{{"individual_id": "p-0", "event_time": "{AT}", "revenue": {word}}}' for word in words]
    made = MadeJourneys(tmp_path).land(f"[{', '.join([*odd, json.dumps(record())])}]".encode())
    manifest = made.normalize()
    assert (manifest.events.rows, manifest.rejects, manifest.unaccounted) == (len(words) + 1, None, 0)
    assert in_order(made, "properties ->> 'revenue'")[:-1] == [(word.replace("1e", "1E+"),) for word in words]


def test_a_time_that_is_no_number_is_a_reject(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land(
        b'[{"individual_id": "p", "event_time": NaN}, %s]' % json.dumps(record()).encode()
    )
    made.normalize()
    assert made.rejects("reason") == [("unreadable time",)]
