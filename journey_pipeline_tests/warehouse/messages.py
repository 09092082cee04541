"""What plain Python says of messages: each try to send one, and the responses that are its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline_tests.reading import opened

Row = dict[str, Any]
Key = tuple[Any, ...]
TRIES = {"send": "sent", "fail": "failed", "suppress": "suppressed"}
RESPONSES = {"deliver", "open", "click", "reply", "bounce", "unsubscribe", "complain"}
EVENT = ("connection", "event_key", "occurred_at", "message_id", "contact_id", "is_test", "action", "channel")
COUNTED = ("attempted", "sent", "failed", "suppressed", "responses_without_send")


def messages(rows: Iterable[Row]) -> dict[Any, list[Row]]:
    """The events of each message, the one that names it first, by that one's key."""
    people: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        if row["message_id"] is not None and not row["is_test"] and row["action"] in TRIES.keys() | RESPONSES:
            people[row["connection"], row["message_id"], row["contact_id"]].append(row)
    found: dict[Any, list[Row]] = {}
    for told in people.values():
        sent: Row | None = None
        for row in sorted(told, key=lambda row: (row["occurred_at"], row["action"] != "send", row["event_key"])):
            if row["action"] == "send":
                sent = row
            is_response = row["action"] not in TRIES
            if is_response and sent and row["occurred_at"] - sent["occurred_at"] <= timedelta(days=30):
                found[sent["event_key"]].append(row)
            else:
                found[row["event_key"]] = [row]
    return found


def told(events: list[Row]) -> Key:
    """Day, status, and how often and when first each kind of response came."""
    first, actions = events[0], [row["action"] for row in events]
    status = TRIES.get(first["action"])
    if status == "sent":
        status = "bounced" if "bounce" in actions else "delivered" if "deliver" in actions else "sent"
    at = {
        action: min((row["occurred_at"] for row in events if row["action"] == action), default=None)
        for action in ("deliver", "open", "click", "bounce")
    }
    return (first["occurred_at"].astimezone(UTC).date(), status, actions.count("open"), *at.values())


def assert_messages_are_as_in_the_model(file: Path) -> None:
    """Holds the marts of messages of a warehouse's file against what plain Python says of its counted events."""
    with opened(file) as session:

        def read(sql: str) -> list[Row]:
            cursor = session.execute(sql)
            names = [name for name, *_ in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

        found = messages(
            read(f"select {', '.join(EVENT)} from core.journey_events anti join core.linked_events using (event_key)")
        )
        held = {
            row["event_key"]: tuple(row.values())[1:]
            for row in read(
                "select event_key, sent_on, status, coalesce(opens, 0) as opens, delivered_at, first_opened_at, "
                "first_clicked_at, bounced_at from marts.messages"
            )
        }
        assert held == {key: told(events) for key, events in found.items()}
        counted: dict[Key, Counter[str]] = defaultdict(Counter)
        for events in found.values():
            first, tried = events[0], TRIES.get(events[0]["action"])
            if first["channel"] == "email":
                counts = counted[first["connection"], first["message_id"], told(events)[0]]
                counts.update({tried, "attempted"} if tried else {"responses_without_send"})
        sums = ", ".join(f"sum({name})::bigint as {name}" for name in COUNTED)
        performance = read(f"select connection, message_id, sent_on, {sums} from marts.email_performance group by all")
        assert {tuple(row.values())[:3]: tuple(row.values())[3:] for row in performance} == {
            key: tuple(counts[name] for name in COUNTED) for key, counts in counted.items()
        }
