from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from journey_pipeline.model import ACTIONS
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_COLUMNS, EMAIL_EVENTS
from journey_pipeline_tests.vendors.made_apsis import Normalized, landed

SENT = {
    "activity_id": "a-1",
    "split_id": "a-1",
    "activity_name": "Winter",
    "sender": "Shop",
    "subject": 'Sale, "big"\nreally',
    "address": "Ann@Example.org",
    "type": "SENT",
    "event_time": "1795075200123",
    "server_time": "1795075201000",
}


def body(*records: dict[str, str], columns: tuple[str, ...] = EMAIL_COLUMNS) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"correlation_id": f"c-{number}", **SENT, **record} for number, record in enumerate(records))
    return text.getvalue().encode()


def typed(tmp_path: Path, *records: dict[str, str], columns: tuple[str, ...] = EMAIL_COLUMNS) -> Normalized:
    return landed(tmp_path, EMAIL_EVENTS, body(*records, columns=columns))


def in_order(made: Normalized, columns: str) -> list[tuple[Any, ...]]:
    """Columns of the events, in the order of their records."""
    return [row[1:] for row in sorted(made.events(f"landing_row, {columns}"), key=lambda row: int(row[0]))]


def codes(name: str) -> list[dict[str, str]]:
    with EMAIL_EVENTS.codes[name].open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_record_becomes_what_the_contract_says(tmp_path: Path) -> None:
    made = typed(tmp_path, {"split_id": "a-1-b", "split_activity_name": "Group B", "variation": "B"})
    columns = (
        "occurred_at::varchar, occurred_at_source, received_at::varchar, contact_id, email, journey_id, journey_name, "
        "activity_id, activity_name, activity_type, channel, action, vendor_action, outcome, reason"
    )
    assert made.events(columns) == [
        (
            "2026-11-19 08:00:00.123+00",
            "event_time",
            "2026-11-19 08:00:01+00",
            "Ann@Example.org",
            "ann@example.org",
            "a-1",
            "Winter",
            "a-1-b",
            "Group B",
            "email",
            "email",
            "send",
            "SENT",
            None,
            None,
        )
    ]
    ((properties,),) = made.events("properties::varchar")
    assert json.loads(properties) == {
        "sender": "Shop",
        "subject": 'Sale, "big"\nreally',
        "variation": "B",
        "correlation_id": "c-0",
    }


TYPES = [
    ("SENT", "send"),
    ("DELIVERED", "deliver"),
    ("OPENED", "open"),
    ("CLICKED", "click"),
    ("BOUNCED", "bounce"),
    ("UNSUBSCRIBED", "unsubscribe"),
    ("ABUSE", "complain"),
    ("opened", "open"),
    ("FORWARDED", "other"),
]


def test_the_type_decides_the_action(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"type": kind} for kind, _ in TYPES])
    assert in_order(made, "channel, action, vendor_action") == [("email", action, kind) for kind, action in TYPES]
    assert made.manifest.unknown_codes == {"vendor_action=FORWARDED": 1}


BOUNCES = [
    ("1000", "soft", "Rejected by recipient's server"),
    ("1999", "soft", "Rejected by recipient's server"),
    ("2001", "hard", "Email address does not exist"),
    ("2002", "hard", "Domain of address does not exist"),
    ("2003", "hard", "Invalid address"),
    ("2004", "hard", "Closed email account"),
    ("3001", "soft", "Mailbox is full"),
    ("3002", "soft", "Recipient server is too busy"),
    ("3003", "soft", "Email account is inactive"),
    ("3777", "soft", "Address is temporarily unavailable"),
    ("4000", "soft", "Technical delivery problem"),
    ("4003", "soft", "Network error"),
    ("4007", "soft", "SPF authentication error"),
    ("4008", "soft", "DMARC authentication error"),
    ("4009", "soft", "DKIM authentication error"),
    ("5999", "info", "Informational, such as out of office"),
    ("9999", "soft", "Unknown failure"),
    ("7777", None, "unknown bounce code"),
    ("20011", None, "unknown bounce code"),
    ("2", None, "unknown bounce code"),
    ("", None, None),
]


def test_a_bounce_code_says_how_hard_and_why(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"type": "BOUNCED", "bounce_code": code} for code, _, _ in BOUNCES])
    found = in_order(made, "outcome, reason, properties ->> 'bounce_code'")
    assert found == [(outcome, reason, code or None) for code, outcome, reason in BOUNCES]
    assert made.manifest.unknown_codes == {"reason=unknown bounce code": 3}


def test_every_code_table_is_on_the_fixed_lists() -> None:
    assert {row["action"] for row in codes("email_types")} <= ACTIONS
    assert {row["outcome"] for row in codes("bounce_codes")} == {"hard", "soft", "info"}


DEVICES = [
    ("TABLET", "TABLET"),
    ("MOBILE_IOS", "MOBILE"),
    ("DESKTOP:Firefox", "DESKTOP"),
    ("SMART_TV", "SMART_TV"),
    ("UNKNOWN", "UNKNOWN"),
    ("WATCH", None),
    ("", None),
]


def test_a_device_with_a_suffix_is_of_its_class(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"type": "OPENED", "device": device} for device, _ in DEVICES])
    found = in_order(made, "properties ->> 'device', properties ->> 'device_class'")
    assert found == [(device or None, device_class) for device, device_class in DEVICES]


LOCATIONS = [("SE", "SE"), ("se-AB", "SE"), ("US/CA", "US"), ("Sweden", None), ("7", None), ("", None)]


def test_a_location_with_a_suffix_is_in_its_country(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"type": "OPENED", "location": location} for location, _ in LOCATIONS])
    found = in_order(made, "properties ->> 'location', properties ->> 'country'")
    assert found == [(location or None, country) for location, country in LOCATIONS]


TIMES = [
    ("0", "2026-11-19 08:00:01+00", "server_time", "0"),
    ("86400000", "2026-11-19 08:00:01+00", "server_time", "86400000"),
    ("1970-01-01T00:00:00Z", "2026-11-19 08:00:01+00", "server_time", "1970-01-01T00:00:00Z"),
    ("", "2026-11-19 08:00:01+00", "server_time", None),
    ("soon", "2026-11-19 08:00:01+00", "server_time", "soon"),
    ("946684800000", "2000-01-01 00:00:00+00", "event_time", None),
    ("2026-11-19T08:00:00.5Z", "2026-11-19 08:00:00.5+00", "event_time", None),
    ("2026-11-19 09:00:00+01:00", "2026-11-19 08:00:00+00", "event_time", None),
]


def test_a_source_that_knew_no_time_gives_way_to_the_server(tmp_path: Path) -> None:
    made = typed(tmp_path, *[{"event_time": time} for time, *_ in TIMES])
    found = in_order(made, "occurred_at::varchar, occurred_at_source, properties ->> 'event_time'")
    assert found == [tuple(expected) for _, *expected in TIMES]


def test_a_record_without_any_time_is_rejected(tmp_path: Path) -> None:
    made = typed(tmp_path, {"event_time": "", "server_time": ""}, {"event_time": "0", "server_time": "0"}, {})
    rejects = sorted(made.rejects("landing_row, reason, contact_id"))
    assert [row[1:] for row in rejects] == [("no time", "Ann@Example.org"), ("unreadable time", "Ann@Example.org")]
    assert len(made.events()) == 1


def test_a_retry_is_the_same_event_and_what_has_no_id_is_as_many_as_came(tmp_path: Path) -> None:
    retried: list[dict[str, str]] = [{"correlation_id": "c"}, {"correlation_id": "c", "server_time": "1795075209000"}]
    others = [{"correlation_id": "c", "type": "OPENED"}, {"correlation_id": "c", "activity_id": "a-2"}]
    unnamed = [{"correlation_id": ""}, {"correlation_id": ""}]
    made = typed(tmp_path, *retried, *others, *unnamed)
    assert len(made.events()) == 1 + 2 + 2
    assert (made.manifest.duplicates, made.manifest.unaccounted) == (1, 0)


def test_requested_attributes_lie_under_their_version_ids_whatever_they_are_called(tmp_path: Path) -> None:
    more = ('gen"der (of all), sort (version_id: 491874)', "VIP (version_id: 7731)", "score (version_id: 600011)")
    columns = (*more, *reversed(EMAIL_COLUMNS), "mood")
    first = {more[0]: "fe,male", more[1]: "TAG", "mood": "x"}
    made = typed(tmp_path, first, {}, columns=columns)
    found: list[Any] = [json.loads(text) for (text,) in made.events("properties::varchar")]
    assert found[0]["attributes"] == {"491874": "fe,male", "7731": "TAG"}
    assert found[0]["mood"] == "x"
    assert "attributes" not in found[1]
    assert made.manifest.unknown_columns == ("mood",)
    plain = typed(tmp_path / "plain", {}, {})
    assert made.events("event_key") == plain.events("event_key")
