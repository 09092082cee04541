"""The simulated account: its events with their parameters, its attributes, its journeys and their channels.

A journey's version of the world is a journey here, and each step that sends something is a campaign. Not here: what
happens (`events.py`), the routes (`simulator.py`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from journey_pipeline.model import iso
from journey_pipeline.sandbox.insider.options import InsiderOptions
from journey_pipeline.sandbox.world import Activity, Journey, Version, World
from journey_pipeline.sandbox.world.people import person

_FIRST_JOURNEY, _FIRST_CAMPAIGN = 5_700, 64_500
_CHANNEL_OF = {
    "emailv2": "EM",
    "smssync": "SMS",
    "whatsappactivity": "WAB",
    "pushnotificationactivity": "APP",
    "inappsyncactivity": "IA",
    "pushsync": "WP",
    "pushinboxactivity": "WC",
    "rest": "AC",
    "restdecision": "AC",
    "activeaudiencejourneyactivity": "GCM",
    "salesforceleadactivity": "FB",
}
_CHANNEL_NAMES = {
    "EM": "Email",
    "SMS": "SMS",
    "WAB": "WhatsApp",
    "APP": "App Push",
    "IA": "InApp",
    "WP": "Web Push",
    "WC": "On-Site",
    "AC": "Call an API",
    "GCM": "Google Ads Customer Match",
    "FB": "Facebook Custom Audiences",
}
_NAMES = {
    "enter": {"enter": "journey_enter", "exit": "journey_exited", "message": "journey_product_action"},
    "entered": {"enter": "journey_entered", "exit": "journey_exit", "message": "journey_product_action"},
}
_SHOWN = {"enter": "Journey Enter", "exit": "Journey Exit", "message": "Journey Product Action"}
_PARAMETERS = {
    "enter": ("journey_id", "name", "reason", "is_dry_run", "timestamp"),
    "exit": ("journey_id", "name", "reason", "event_code", "is_dry_run", "timestamp"),
    "message": ("journey_id", "campaign_id", "channel_code", "action_code", "is_dry_run", "timestamp"),
}
ATTRIBUTES = {
    "email": ("Email", "string"),
    "country": ("Country", "string"),
    "c_loyalty_tier": ("Loyalty Tier", "string"),
    "c_points": ("Points, given", "number"),
    "email_optin": ("Email Optin", "number"),
}
_TIERS = ("gold", "silver", "", "bronze")
_COUNTRIES = ("SE", "TR", "DE", "GB")


@dataclass(frozen=True)
class Campaign:
    """One step of a journey that sends something."""

    number: int
    channel: str
    name: str


class Account:
    """The account of a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    @cached_property
    def journey_numbers(self) -> dict[str, int]:
        """The journeys' numbers by the world's id of a version."""
        versions = [version for journey in self._world.catalog for version in journey.versions]
        return {version.definition_id: _FIRST_JOURNEY + number for number, version in enumerate(versions)}

    @cached_property
    def campaigns(self) -> dict[str, Campaign]:
        """The campaigns by the world's id of a step."""
        steps = [
            step
            for journey in self._world.catalog
            for version in journey.versions
            for step in version.activities
            if step.type.lower() in _CHANNEL_OF
        ]
        return {
            step.id: Campaign(_FIRST_CAMPAIGN + number, _CHANNEL_OF[step.type.lower()], step.name)
            for number, step in enumerate(steps)
        }

    def events(self, options: InsiderOptions) -> list[dict[str, Any]]:
        """The account's events, as it lists them."""
        names = _NAMES[options.event_names]
        listed = [
            {
                "key": names[kind],
                "display_name": _SHOWN[kind],
                "params": [{"key": _renamed(key, options), "display_name": key} for key in _PARAMETERS[kind]],
            }
            for kind in _SHOWN
            if kind != options.lacks_event
        ]
        color = {"key": "color", "display_name": "Color"}
        other = {"key": "product_view", "display_name": "Product View", "params": [color]}
        return [other, *listed]

    def journeys(self) -> list[dict[str, Any]]:
        """The account's journeys, as the analytics host lists them."""
        return [
            _listed(self.journey_numbers[version.definition_id], journey, version, self._channels(version))
            for journey in self._world.catalog
            for version in journey.versions
            if version.listed
        ]

    def _channels(self, version: Version) -> list[Campaign]:
        return [self.campaigns[step.id] for step in version.activities if step.id in self.campaigns]


def event_names(options: InsiderOptions) -> dict[str, str]:
    """The system names of the journey events, by kind."""
    return {kind: name for kind, name in _NAMES[options.event_names].items() if kind != options.lacks_event}


def contacts() -> list[dict[str, Any]]:
    """The attributes, as the account lists them."""
    return [{"key": key, "display_name": name, "type": kind} for key, (name, kind) in ATTRIBUTES.items()]


def profile_id(number: int) -> str:
    """The vendor's id of a person, the same for ever."""
    digest = hashlib.blake2b(f"insider {number}".encode(), digest_size=9).hexdigest()
    return f"{1_700_000_000_000 + number}{digest[:10]}.{digest[10:18]}"


def attribute(number: int, name: str, *, masked: bool) -> str:
    """A person's attribute as text; empty if it is not set."""
    email = person(number).email
    values = {
        "email": f"{email[0]}***@{email.partition('@')[2]}" if masked else email,
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "c_loyalty_tier": _TIERS[number % len(_TIERS)],
        "c_points": str(number * 7 % 1000),
        "email_optin": str(number % 2),
    }
    return values.get(name, "")


def is_entry(version: Version, step: Activity) -> bool:
    """Whether a step is where a journey begins."""
    return step is version.activities[0]


def _renamed(key: str, options: InsiderOptions) -> str:
    return options.name_parameter if key == "name" else key


def _listed(number: int, journey: Journey, version: Version, campaigns: list[Campaign]) -> dict[str, Any]:
    return {
        "journeyId": number,
        "parentJourneyId": None,
        "journeyName": journey.name,
        "status": "active" if version.status == "Published" else "passive",
        "createdAt": iso(version.modified_at),
        "tags": [],
        "starterType": "on-event",
        "campaigns": [
            {"id": one.number, "name": one.name, "channel": _CHANNEL_NAMES[one.channel]} for one in campaigns
        ],
    }
