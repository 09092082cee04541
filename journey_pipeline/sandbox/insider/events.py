"""What happened to people in journeys, as Insider tells it: entered, left, and messages with what people did with them.

All of it is a function of the world's events, so that a file takes no memory. Events that are equal in all that tells
them apart are one, as the vendor collapses them. Not here: how a file is written (`files.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from journey_pipeline.model import Window
from journey_pipeline.sandbox.insider.account import Account, Campaign, is_entry, profile_id
from journey_pipeline.sandbox.insider.options import FileShape
from journey_pipeline.sandbox.world import Event, World

_ENTER_REASONS = ("on-event", "on-attribute-change", "on-past-behavior", "on-dynamic-date")
_EXIT_REASONS = ("completed", "exit_criteria", "dropped", "priority")
_WAYS = {"completed": "completed", "dropped": "dropped"}
_SEND, _CLICK, _VIEW, _REPLY, _CAPPED = 1, 2, 4, 16, 18
# What may follow a message, by channel: code, one in so many, and the most minutes later.
_REACTIONS = {
    "EM": ((_VIEW, 2, 90), (_CLICK, 6, 170)),
    "SMS": ((29, 20, 5), (32, 60, 60)),
    "WAB": ((30, 2, 60), (_REPLY, 9, 120)),
    "APP": ((_VIEW, 3, 30), (_CLICK, 8, 60)),
    "IA": ((_VIEW, 2, 30), (3, 5, 31)),
    "WP": ((_VIEW, 2, 40), (_CLICK, 9, 50)),
    "WC": ((_VIEW, 2, 40),),
    "AC": ((19, 1, 1), (_VIEW, 3, 20), (26, 5, 2)),
    "GCM": ((25, 12, 10),),
    "FB": ((34, 15, 10),),
}
_LONGEST_REACTION = timedelta(hours=3)
_UNKNOWN = ("XX", 99)


class UserEvent(NamedTuple):
    """One event of a person.

    Attributes:
        at_s: When it happened, in seconds since 1970.
        person_number: Who.
        kind: `enter`, `exit` or `message`.
        journey: The journey's number.
        name: Its name, of enters and exits.
        reason: Why, of enters and exits.
        event_code: The step that was left, of exits.
        campaign: Its number, of messages.
        channel: Its channel's code, of messages.
        action: What happened, of messages.
        is_dry_run: Whether nothing was really sent.
        received_ms: When the vendor got it.
    """

    at_s: int
    person_number: int
    kind: str
    journey: int
    name: str = ""
    reason: str = ""
    event_code: str = ""
    campaign: int | None = None
    channel: str = ""
    action: int | None = None
    is_dry_run: bool = False
    received_ms: int = 0

    @property
    def identity(self) -> tuple[object, ...]:
        """What tells it apart."""
        return self.person_number, self.kind, self.journey, self.campaign, self.channel, self.action, self.at_s

    @property
    def iid(self) -> str:
        """Who, as the vendor knows them."""
        return profile_id(self.person_number)


@dataclass(frozen=True)
class EventSource:
    """The events of a world's people."""

    world: World
    account: Account

    def events(self, window: Window, shape: FileShape, *, received_by: datetime) -> Iterator[UserEvent]:
        """What happened in a window and the vendor had got by a time, each event once, in the order of the world.

        Args:
            window: Of the events' own times.
            shape: Which of them are odd.
        """
        start_s, end_s = (int(at.timestamp()) for at in (window.start, window.end))
        limit_ms = int(received_by.timestamp() * 1000)
        seen: set[tuple[object, ...]] = set()
        for event in self.world.events(Window(window.start - _LONGEST_REACTION, window.end)):
            for told in self._told(event, shape):
                if start_s <= told.at_s < end_s and told.received_ms <= limit_ms and told.identity not in seen:
                    seen.add(told.identity)
                    yield told

    def _told(self, event: Event, shape: FileShape) -> Iterator[UserEvent]:
        happening = event.happening
        version, step = happening.version, happening.activity
        number = self.account.journey_numbers[version.definition_id]
        luck = event.number >> 32
        common = UserEvent(
            event.occurred_ms // 1000,
            _surviving(event.person_number, shape),
            "",
            number,
            is_dry_run=bool(shape.dry_run_one_in) and event.passage % shape.dry_run_one_in == 0,
            received_ms=event.visible_ms,
        )
        if is_entry(version, step):
            yield common._replace(kind="enter", name=happening.journey.name, reason=_reason(luck, shape))
        campaign = self.account.campaigns.get(step.id)
        if campaign:
            yield from _messages(common, campaign, luck, shape)
        if happening.next_activity is None:
            code = f"{campaign.channel}:{campaign.number}" if campaign else ""
            reason = _EXIT_REASONS[2 if happening.failure else luck % 2]
            yield common._replace(kind="exit", name=happening.journey.name, reason=reason, event_code=code)


def _surviving(number: int, shape: FileShape) -> int:
    return number - 1 if shape.merged_profiles and number % 10 == 9 else number  # noqa: PLR2004 - the last of ten


def _reason(luck: int, shape: FileShape) -> str:
    odd = shape.odd_reasons
    if odd:
        return odd[luck % len(odd)]
    return _ENTER_REASONS[luck % len(_ENTER_REASONS)]


def _messages(common: UserEvent, campaign: Campaign, luck: int, shape: FileShape) -> Iterator[UserEvent]:
    told = common._replace(kind="message", campaign=campaign.number, channel=campaign.channel)
    if common.is_dry_run:
        return
    if luck % 40 == 0:
        yield told._replace(action=_CAPPED)
        return
    yield told._replace(action=_SEND)
    if shape.unknown_codes and luck % 10 == 1:
        channel, action = _UNKNOWN
        yield told._replace(channel=channel, action=action)
    for place, (action, one_in, minutes) in enumerate(_REACTIONS[campaign.channel], start=1):
        dice = luck >> 8 * place
        if dice % one_in == 0:
            after_s = 1 + dice // 64 % (minutes * 60)
            received_ms = told.received_ms + after_s * 1000
            yield told._replace(action=action, at_s=told.at_s + after_s, received_ms=received_ms)


def at(seconds: int) -> datetime:
    """Seconds since 1970 as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def figures(events: Iterable[UserEvent]) -> dict[str, Any]:
    """What the panel counts of a journey's events; it leaves dry runs out."""
    ways, sent = Counter[str](), Counter[tuple[int | None, str]]()
    for event in events:
        if event.is_dry_run:
            continue
        if event.kind == "exit":
            ways[_WAYS.get(event.reason, "exited")] += 1
        ways["entered"] += event.kind == "enter"
        sent[event.campaign, event.channel] += event.action == _SEND
    return {
        "userMetrics": {way: ways[way] for way in ("entered", "exited", "completed", "dropped")},
        "channelsMetrics": [
            {"channel": channel, "campaignId": campaign, "sent": count}
            for (campaign, channel), count in sent.items()
            if campaign is not None
        ],
    }
