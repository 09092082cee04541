"""Maps a record's fields to canonical columns: as the connection declares, or by common names.

The vendor publishes no schema of its answers, so names are looked for, and where none fits nothing is guessed. Not
here: what stands in the fields (`columns.py`, `events.sql`), records inside records (`answers.py`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from journey_pipeline.errors import ConfigError

Record = Mapping[str, Any]

# The contract's table (assumed: the vendor publishes none). The first name that is there is taken.
NAMES: Mapping[str, tuple[str, ...]] = {
    "occurred_at": (
        "event_time",
        "event_timestamp",
        "timestamp",
        "occurred_at",
        "event_datetime",
        "created_at",
        "visit_time",
        "date_time",
        "time",
        "event_date",
        "date",
    ),
    "contact_id": (
        "individual_id",
        "person_id",
        "customer_id",
        "profile_id",
        "contact_id",
        "user_id",
        "l5_id",
        "visitor_id",
        "email",
    ),
    "email": ("email", "email_address", "customer_email"),
    "vendor_action": (
        "event_type",
        "event_name",
        "event",
        "action",
        "activity_type",
        "touchpoint_type",
        "type",
    ),
    "journey_id": ("campaign_id",),
    "journey_name": ("campaign", "campaign_name", "utm_campaign"),
    "activity_id": ("ad_id", "creative_id", "touchpoint_id"),
    "activity_name": ("ad_name", "page_title", "landing_page", "page_url"),
    "channel": ("channel", "channel_name", "marketing_channel", "medium", "source"),
    "event_id": ("event_id", "touchpoint_id", "hit_id", "id"),
}
NEEDED = ("occurred_at", "contact_id")
PAGES = ("page_url", "landing_page", "page_title")
VOLATILE = ("known_since", "individual_since")
# What the default answer has besides (assumed).
_OTHERS = ("session_id", "referrer", "device", "order_id", "revenue", "currency")
# A name of another kind may be a person's address or number: a map by person, where a record should be.
_TELLABLE = re.compile(r"[^\W\d][\w .-]{0,59}")
_SEPARATORS = str.maketrans("", "", "_- ")


def plain(name: str) -> str:
    """A name as names are compared: without case, `_`, `-` and spaces."""
    return name.translate(_SEPARATORS).lower()


def is_tellable(name: str) -> bool:
    """Whether a name may stand in messages and manifests."""
    return _TELLABLE.fullmatch(name) is not None


KNOWN_NAMES = frozenset(plain(name) for names in (*NAMES.values(), PAGES, VOLATILE, _OTHERS) for name in names)


@dataclass(frozen=True, slots=True)
class MappingSettings:
    """A connection's settings about its records.

    Attributes:
        fields: The field that each canonical column is read from, by column: a name, or a dotted path into objects.
            Columns that are not declared are looked for.
        records: Where an answer has its array of records: a name, or a dotted path into objects; looked for if empty.
        events: The array of events inside of each record, by its name; looked for if empty.
        volatile: Fields, or dotted paths, that change without the event being another one: left out of its identity.
        known_fields: Fields that are no news; nothing else depends on them.
        event_id_is_unique: Whether the event id identifies an event; else its content does.
        timezone: Of times without a zone, and of the account's days; a name such as `Europe/Berlin`.

    Raises:
        ConfigError: If a column or the time zone is unknown, or a path is blank.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    records: str = ""
    events: str = ""
    volatile: tuple[str, ...] = ()
    known_fields: tuple[str, ...] = ()
    event_id_is_unique: bool = False
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if wrong := sorted(set(self.fields) - set(NAMES)):
            raise ConfigError(f"fields: {', '.join(wrong)} is no column of LayerFive; there are {', '.join(NAMES)}")
        if blank := [path for path in (*self.fields.values(), *self.volatile) if not all(path.split("."))]:
            raise ConfigError(f"fields and volatile name fields, such as hit_time or person.key; {blank[0]!r} is none")
        if self.records and not all(self.records_path):
            raise ConfigError(f"records names an array, such as rows or data.rows; {self.records!r} is none")
        if "." in self.events:
            raise ConfigError(
                f"events names an array of the record itself, such as hits; {self.events!r} leads into objects, where "
                "no events are looked for"
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(
                f"timezone: {self.timezone!r} is unknown; write a name such as UTC or Europe/Berlin"
            ) from None

    @property
    def records_path(self) -> tuple[str, ...]:
        """The names that lead to the records, if that is declared."""
        return tuple(self.records.split(".")) if self.records else ()

    @property
    def places(self) -> Mapping[str, str]:
        """The declared places of records and events."""
        return {name: place for name, place in (("records", self.records), ("events", self.events)) if place}

    @property
    def known_names(self) -> frozenset[str]:
        """Every field that the settings speak of, as names are compared."""
        paths = (*self.fields.values(), *self.volatile, *self.known_fields, *filter(None, [self.events]))
        return frozenset(plain(name) for path in paths for name in (path, path.split(".")[0]))

    @property
    def digest(self) -> str:
        """A digest of all settings that decide how a file is read."""
        read_by = [sorted(self.fields.items()), sorted(self.volatile), self.event_id_is_unique]
        places = [dict(self.places)] if self.places else []  # without it as ever, so that nothing is made anew
        text = json.dumps([*read_by, sorted(self.known_fields), *places], ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Field:
    """Where a column is read from.

    Attributes:
        name: As the connection declares it, or as the records spell it.
        path: Its parts, if it leads into objects.
    """

    name: str
    path: tuple[str, ...]
    is_declared: bool

    def key_in(self, keys: Iterable[str]) -> str | None:
        """The record's own name that leads to the field: spelled alike first, else as names are compared."""
        keys = tuple(keys)
        if self.name in keys:
            return self.name
        if len(self.path) > 1:
            return self.path[0] if self.path[0] in keys else None
        return next((key for key in keys if plain(key) == plain(self.name)), None)

    def is_deep(self, key: str) -> bool:
        """Whether a record whose own name `key` leads to it holds it inside of objects."""
        return len(self.path) > 1 and key != self.name

    def value_in(self, record: Record, key: str) -> Any:
        """Its value in a record, None if there is none; `key` as `key_in` gives it."""
        if not self.is_deep(key):
            return record.get(key)
        value: Any = record
        for part in self.path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def is_scalar(value: Any) -> bool:
    """Whether a value can be a column's: text that is not empty, a number or a truth value."""
    return value is not None and value != "" and not isinstance(value, Mapping | list)


class Detection:
    """Finds the fields of records, given the first ones.

    Attributes:
        fields: The field of each column that has one.
        counts: How many of the records had a value under each name, names inside objects included.
        present: The names, with or without a value.
        scalars: Those that had a value which a column can have.
    """

    def __init__(self, settings: MappingSettings, head: Iterable[Record]) -> None:
        self.counts: dict[str, int] = {}
        self.records = 0
        self.present: set[str] = set()
        self.scalars: set[str] = set()
        spelled: dict[str, str] = {}
        for record in head:
            self.records += 1
            for name, value, is_own in _names(record):
                self.present.add(name)
                self.counts[name] = self.counts.get(name, 0) + (value is not None)
                if is_scalar(value):
                    self.scalars.add(name)
                    if is_own:
                        spelled.setdefault(plain(name), name)
        found = {column: _first(names, spelled) for column, names in NAMES.items()}
        self.fields = {column: Field(name, (name,), is_declared=False) for column, name in found.items() if name}
        for column, path in settings.fields.items():
            self.fields[column] = Field(path, tuple(path.split(".")), is_declared=True)

    @property
    def missing(self) -> tuple[str, ...]:
        """Columns that no field stands for."""
        return tuple(column for column in NAMES if column not in self.fields)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Columns without which nothing can be made of the records, and which have no field."""
        return tuple(column for column in NEEDED if column not in self.fields or self.never_seen(column))

    def never_seen(self, column: str) -> bool:
        """Whether a column's field is declared and none of the first records has it, be it without a value."""
        one = self.fields[column]
        if not one.is_declared or one.name in self.present:
            return False
        return len(one.path) > 1 or one.key_in(self.present) is None

    def vanished(self, filled: Collection[str], names: Collection[str]) -> list[str]:
        """The declared fields that no record of the whole answer has.

        Args:
            filled: Columns that had a value in any record.
        """
        gone = [self.fields[column] for column in self.fields if self.never_seen(column) and column not in filled]
        return [one.name for one in gone if (key := one.key_in(names)) is None or one.is_deep(key)]


def _first(names: Iterable[str], scalars: Mapping[str, str]) -> str | None:
    return next((scalars[plain(name)] for name in names if plain(name) in scalars), None)


def _names(record: Record, before: str = "", depth: int = 3) -> Iterable[tuple[str, Any, bool]]:
    """Each name with its value, and whether it is the record's own; names inside objects with their path."""
    for name, value in record.items():
        yield before + name, value, not before
        if depth > 1 and isinstance(value, Mapping):
            yield from _names(value, f"{before}{name}.", depth - 1)
