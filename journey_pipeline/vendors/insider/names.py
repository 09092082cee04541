"""What an account calls its journey events, found in what it lists: by the names in its panel, then by the known ones.

The vendor's own sources disagree on the names, and what it does with an unknown one is unpublished. Not here: asking
for the list (`client.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from journey_pipeline.errors import ConfigError

TIME = "timestamp"
_MOST_NAMED = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the three kinds of journey events.

    Attributes:
        name: What it is, for people.
        shown: Its name in the panel, in any case.
        known: Names that are known of it, the likeliest first; `events.sql` knows a kind by how its names begin.
        begins: How they begin.
        parameters: Those that are asked for, if the account has them; of several names for one, all that there are.
    """

    name: str
    shown: tuple[str, ...]
    known: tuple[str, ...]
    begins: str
    parameters: tuple[str, ...]


_OF_A_JOURNEY = ("journey_id", "name", "journey_campaign_name", "reason", "event_code", "is_dry_run")
KINDS = (
    Kind("journey enter", ("journey enter",), ("journey_enter", "journey_entered"), "journey_enter", _OF_A_JOURNEY),
    Kind(
        "journey exit",
        ("journey exit", "journey exited"),
        ("journey_exited", "journey_exit"),
        "journey_exit",
        _OF_A_JOURNEY,
    ),
    Kind(
        "journey product action",
        ("journey product action",),
        ("journey_product_action",),
        "journey_product_action",
        ("journey_id", "journey_campaign_name", "campaign_id", "channel_code", "action_code", "is_dry_run"),
    ),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event that is asked for: its system name, and its parameters."""

    event: str
    parameters: tuple[str, ...]


def discover(listed: Sequence[Mapping[str, Any]], more: Mapping[str, Sequence[str]] | None = None) -> list[Wanted]:
    """The events to ask an account for.

    Args:
        listed: The account's events, as it lists them.
        more: Further events and their parameters, by system name, as configured.

    Raises:
        ConfigError: If one of them is missing; names what the account has.
    """
    by_key = {str(one["key"]): one for one in listed}
    found = [_of_kind(kind, listed, by_key) for kind in KINDS]
    for event, parameters in (more or {}).items():
        if event not in by_key:
            raise _missing(f"`events` in defs.yaml names {event}, which the account does not have", by_key)
        found.append(Wanted(event, tuple(dict.fromkeys([*parameters, TIME]))))
    return found


def _of_kind(kind: Kind, listed: Sequence[Mapping[str, Any]], by_key: Mapping[str, Mapping[str, Any]]) -> Wanted:
    shown = [str(one["key"]) for one in listed if _folded(one.get("display_name")) in kind.shown]
    key = next((name for name in (*shown, *kind.known) if name in by_key), None)
    if key is None:
        raise _missing(f"the account has no event {kind.name}: is the journey builder enabled for it?", by_key)
    if not key.lower().startswith(kind.begins):
        raise ConfigError(
            f"the account calls its event {kind.name} `{key}`, and events of that name would not be known again. "
            "Please report the name. Nothing was ordered."
        )
    has = {str(one.get("key")) for one in by_key[key].get("params") or () if isinstance(one, Mapping)}
    parameters = [name for name in kind.parameters if name in has or not has]
    return Wanted(key, (*parameters, TIME))


def _folded(name: object) -> str:
    return " ".join(str(name or "").lower().replace("_", " ").split())


def _missing(what: str, by_key: Mapping[str, Any]) -> ConfigError:
    names = sorted(by_key)
    has = ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
    return ConfigError(f"{what}. Its events are: {has or 'none'}. Nothing was ordered.")
