"""What an event holds besides who and when: an e-mail's device, link and bounce code, and the JSON under `data`.

Both exports take it from here, so that they tell the same of the same e-mail. Not here: how their files are written
(`profile_file.py`, `email_file.py`).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from journey_pipeline.sandbox.apsis.account import SECTIONS, TOPICS
from journey_pipeline.sandbox.apsis.activities import Automations, EmailActivity, automation_id, section_of
from journey_pipeline.sandbox.apsis.reactions import Reaction

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_DEVICES = ("MOBILE", "DESKTOP", "TABLET", "UNKNOWN", "SMART_TV", "MOBILE_IOS", "DESKTOP:Firefox", "WATCH")
_LOCATIONS = ("SE", "NO", "DK", "FI", "DE", "SE-AB", "US/CA", "")
# The last two are in no published range.
_BOUNCE_CODES = ("2001", "2002", "2004", "3001", "3002", "3003", "1100", "4003", "4007", "5001", "9999", "3777", "7777")
_PERMANENT = 3  # the first so many say that there is no such address
_LINKS = (
    ("lnk-1", "https://shop.example/?q={x}&a=1,2", 'Buy "now", please'),
    ("lnk-2", "https://shop.example/p/7", "Product\nseven"),
    ("lnk-3", "https://shop.example/ö?x=%20", ""),
)


class EmailFacts(NamedTuple):
    """What an e-mail event tells, each empty where its type has none; named as in the e-mail file."""

    activity: EmailActivity
    variation: str
    device: str
    location: str
    link: tuple[str, str, str]
    bounce_code: str
    unsubscribe_topic: str
    abuse_section: str


def email_facts(event: Reaction, automations: Automations) -> EmailFacts:
    """What an e-mail event tells; all events of one send have the same activity and variation."""
    activity = automations.emails[event.happening.activity.id]
    kind = event.type.csv_type
    looked = kind in {"OPENED", "CLICKED"}
    return EmailFacts(
        activity=activity,
        variation=_variation(event) if activity.is_split else "",
        device=_one_of(_DEVICES, event, 20, squared=True) if looked else "",
        location=_one_of(_LOCATIONS, event, 21) if looked else "",
        link=_LINKS[int(event.share(22) * len(_LINKS))] if kind == "CLICKED" else ("", "", ""),
        bounce_code=_bounce_code(event) if kind == "BOUNCED" else "",
        unsubscribe_topic=_one_of(tuple(topic for topic, _ in TOPICS), event, 23) if kind == "UNSUBSCRIBED" else "",
        abuse_section=activity.section.discriminator if kind == "ABUSE" else "",
    )


def data_text(event: Reaction, automations: Automations) -> str:
    """The JSON of `data`, on one line."""
    if event.type.csv_type:
        data = _email_data(event, automations)
    elif event.type.discriminator.startswith(("com.shop.", "usercreated.")):
        data = _shop_data(event)
    else:
        data = _step_data(event)
    return _ENCODER.encode(data)


def _email_data(event: Reaction, automations: Automations) -> dict[str, Any]:
    facts = email_facts(event, automations)
    activity = facts.activity
    data: dict[str, Any] = {
        "activityId": activity.id,
        "activityName": activity.name(event.source_ms),
        "automationId": automation_id(activity.version),
        "automationName": activity.journey.name,
        "splitId": activity.split_id(facts.variation),
    }
    told = {
        "device": facts.device,
        "country": facts.location,
        "link": facts.link[1],
        "linkId": facts.link[0],
        "topic": facts.unsubscribe_topic,
    }
    data |= {name: text for name, text in told.items() if text}
    return data | {"bounceCode": int(facts.bounce_code)} if facts.bounce_code else data


def _step_data(event: Reaction) -> dict[str, Any]:
    happening = event.happening
    id_name = "flowId" if ".sms-" in event.type.discriminator else "automationId"
    data: dict[str, Any] = {
        id_name: automation_id(happening.version),
        "automationName": happening.journey.name,
        "nodeId": f"n-{happening.activity.id[:13]}",
        "nodeName": happening.activity.name,
    }
    if happening.outcome:
        data["outcome"] = happening.outcome
    if happening.waited_h:
        data["waitedHours"] = happening.waited_h
    if happening.failure:
        data["reason"] = happening.failure.message
    if event.type.discriminator.endswith("form-submitted"):
        data["fields"] = {"newsletter": True, "comment": 'Thanks, "all" {of} you \\o/'}
    return data


def _shop_data(event: Reaction) -> dict[str, Any]:
    return {
        "orderId": f"o-{event.number >> 96:08x}",
        "total": round(event.share(24) * 2_000, 2),
        "currency": "SEK",
        "items": [{"sku": f"sku-{event.number % 97}", "quantity": 1 + event.number % 3, "discount": None}],
        "nested": {"a": [1, 2], "é": {}},
    }


def section_id(event: Reaction) -> str:
    """The section whose profile has the event: the journey's, or for orders and points the second one."""
    if not event.type.discriminator.startswith("com.apsis1."):
        return SECTIONS[1].id
    return section_of(event.happening.journey).id


def type_id(event: Reaction) -> str:
    """The event's version id; one form in twelve has an unlisted one."""
    if event.type.discriminator.endswith("form-submitted") and event.share(25) < 1 / 12:
        return event.type.unlisted_id(event.source_ms)
    return event.type.ids(event.source_ms)[0]


def _variation(event: Reaction) -> str:
    """A and B get a fifth each, the winner the rest; by the send, not by the single event."""
    return ("A", "B", "", "", "")[event.number % 5]


def _bounce_code(event: Reaction) -> str:
    codes = _BOUNCE_CODES[:_PERMANENT] if event.happening.failure else _BOUNCE_CODES[_PERMANENT:]
    return _one_of(codes, event, 26)


def _one_of(values: tuple[str, ...], event: Reaction, salt: int, *, squared: bool = False) -> str:
    share = event.share(salt)
    return values[int((share * share if squared else share) * len(values))]
