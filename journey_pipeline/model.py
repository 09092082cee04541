"""The words that all layers share: windows and partitions, streams, the canonical event.

Not here: anything that is true of one vendor (`vendors/`), where files lie (`lake/layout.py`), or what a table of the
warehouse holds (`warehouse/`). Imports nothing of the project but `errors`, and everything may import it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from journey_pipeline.errors import ConfigError


class Granularity(enum.Enum):
    """How long a partition's window is."""

    HOUR = "hour"
    DAY = "day"

    @property
    def duration(self) -> timedelta:
        """The window's length."""
        return timedelta(hours=1) if self is Granularity.HOUR else timedelta(days=1)

    @property
    def key_format(self) -> str:
        """The `strftime` pattern of a partition's name in paths and tables: no colon, sorts by time."""
        return "%Y-%m-%dT%H" if self is Granularity.HOUR else "%Y-%m-%d"


CLOCK_DIFFERENCE = timedelta(minutes=5)
"""Largest accepted difference of two clocks: ours and a vendor's, or ours before and after it was set."""

EARLIEST_TIME, END_OF_TIMES = "1990-01-01 00:00:00+00", "2100-01-01 00:00:00+00"
"""What a vendor's time can be: no vendor is older, and a later year is a mistake.

Fixed, and not counted from today: the same landing gives the same events whenever they are made.
"""

_BEGINS = {Granularity.HOUR.duration: ":00:00+00:00", Granularity.DAY.duration: "T00:00:00+00:00"}
"""By duration, the end of a partition's ISO 8601 start that its name leaves out."""


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """A half-open time range `[start, end)` of aware instants, kept in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ConfigError(f"a window needs times with a zone, got {self.start} and {self.end}")
        if self.start >= self.end:
            raise ConfigError(f"a window must end after it starts, got {self.start} to {self.end}")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))

    def __str__(self) -> str:
        return f"{iso(self.start)}/{iso(self.end)}"

    @property
    def duration(self) -> timedelta:
        """The window's duration."""
        return self.end - self.start

    def halves(self) -> tuple[Window, Window]:
        """The two halves of the window, cut at a whole second."""
        middle = self.start + timedelta(seconds=int(self.duration.total_seconds()) // 2)
        return Window(self.start, middle), Window(middle, self.end)

    def partitions(self, granularity: Granularity) -> list[Window]:
        """The whole partitions inside the window, oldest first."""
        step = granularity.duration
        first = floor(self.start, granularity)
        first = first if first == self.start else first + step
        count = max(0, (self.end - first) // step)
        return [Window(first + step * i, first + step * (i + 1)) for i in range(count)]

    @property
    def partition(self) -> str:
        """The name of the partition that has this window, such as `2026-11-01T05` or `2026-11-01`.

        Raises:
            ConfigError: If the window is neither one whole hour nor one whole UTC day.
        """
        start = self.start.isoformat()  # a third of the time that `strftime` takes, and there are many windows
        rest = _BEGINS.get(self.duration)
        if rest and start.endswith(rest):
            return start.removesuffix(rest)
        raise ConfigError(f"the window {self} is not one whole hour or day")


def partition_window(partition: str) -> Window:
    """The window of a partition by its name, the inverse of `Window.partition`.

    Raises:
        ConfigError: If the name is not of the form `2026-11-01T05` or `2026-11-01`.
    """
    for granularity in Granularity:
        try:
            start = datetime.strptime(partition, granularity.key_format).replace(tzinfo=UTC)
        except ValueError:
            continue
        if start.strftime(granularity.key_format) == partition:
            return Window(start, start + granularity.duration)
    raise ConfigError(f"{partition!r} is not a partition: write 2026-11-01T05 for an hour, 2026-11-01 for a day")


def selection(stream: StreamKey, window: Window) -> str:
    """A command's arguments for a window: `sfmc/journey_history --from 2026-11-01T05:00 --to 2026-11-01T06:00`."""
    return f"{stream} --from {window.start:%Y-%m-%dT%H:%M} --to {window.end:%Y-%m-%dT%H:%M}"


def is_partition(name: str) -> bool:
    """Whether a name is a partition's. Other names are not ours."""
    try:
        partition_window(name)
    except ConfigError:
        return False
    return True


def floor(at: datetime, granularity: Granularity) -> datetime:
    """The start of the hour or UTC day of an aware instant."""
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return at if granularity is Granularity.HOUR else at.replace(hour=0)


def iso(at: datetime) -> str:
    """An aware instant as ISO 8601 in UTC with `Z`; seconds, and milliseconds where there are any."""
    at = at.astimezone(UTC)
    spec = "milliseconds" if at.microsecond else "seconds"
    return at.isoformat(timespec=spec).replace("+00:00", "Z")


@dataclass(frozen=True, order=True, slots=True)
class StreamKey:
    """One stream of one connection, such as `sfmc/journey_history` of the vendor `sfmc`."""

    vendor: str
    connection: str
    stream: str

    def __str__(self) -> str:
        return f"{self.connection}/{self.stream}"

    def naming(self, window: Window) -> dict[str, Any]:
        """The fields of an error about one of its windows."""
        return {"vendor": self.vendor, "connection": self.connection, "stream": self.stream, "window": str(window)}


class Figure(NamedTuple):
    """What a vendor counts of a journey, or of one of its steps, in a span of time.

    Attributes:
        activity_id: The step; empty for the whole journey.
        what: `entered`, `left` or `sent`.
    """

    journey_id: str
    activity_id: str
    what: str


Figures = Mapping[Figure, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a vendor's call says, judged by that vendor's rules.

    Attributes:
        link: Where the file lies, byte for byte as it came; empty if the call names none. A secret.
        path: The link's path. Links of one path are links of one file.
        ends_at: The link's end, if it tells one.
        breaks: The rule that the link breaks, for people; empty if it may be fetched.
        notice: What the vendor says in place of a link, for people.
    """

    link: str = field(default="", repr=False)
    path: str = field(default="", repr=False)
    ends_at: datetime | None = None
    breaks: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, its DuckDB type and the sentence that documents it."""

    name: str
    type: str
    comment: str

    @property
    def file_type(self) -> str:
        """Its type in a Parquet file: text in place of UUID and JSON, which other readers than DuckDB lack."""
        return "VARCHAR" if self.type in {"UUID", "JSON"} else self.type


EVENT_COLUMNS: tuple[Column, ...] = (
    Column("event_key", "UUID", "Key of the event: a hash of connection, stream and the vendor's natural key."),
    Column("vendor", "VARCHAR", "The vendor's short name, such as sfmc."),
    Column("connection", "VARCHAR", "The connection that loaded the event."),
    Column("stream", "VARCHAR", "The kind of record, such as journey_history."),
    Column("occurred_at", "TIMESTAMPTZ", "When it happened, UTC."),
    Column("occurred_on", "DATE", "The UTC day on which it happened."),
    Column("occurred_at_source", "VARCHAR", "The vendor's field that occurred_at was read from."),
    Column("received_at", "TIMESTAMPTZ", "When the vendor's server received it, UTC; NULL if unknown."),
    Column("contact_id", "VARCHAR", "The vendor's key of the person."),
    Column("email", "VARCHAR", "The person's e-mail address in lower case; NULL if the vendor gives none."),
    Column("journey_id", "VARCHAR", "The journey, flow or definition; for Salesforce one version of a journey."),
    Column("journey_name", "VARCHAR", "The journey's name in the event."),
    Column("journey_version", "VARCHAR", "The journey's version in the event; NULL if it has none."),
    Column(
        "enrolment_id",
        "VARCHAR",
        "The passage of one person through one version of a journey, as the vendor numbers it, lower case; NULL where "
        "it does not.",
    ),
    Column("activity_id", "VARCHAR", "The step of the journey."),
    Column("activity_name", "VARCHAR", "The step's name in the event."),
    Column("activity_type", "VARCHAR", "The vendor's type of the step, lower case."),
    Column(
        "next_activity_id",
        "VARCHAR",
        "The step that the vendor says comes next, lower case; NULL where it says nothing.",
    ),
    Column(
        "message_id",
        "VARCHAR",
        "The message, such as an e-mail, as the vendor numbers it; where that is in no journey, also in journey_id.",
    ),
    Column("channel", "VARCHAR", "The channel, one of a fixed list; other if the vendor's type is unknown."),
    Column("action", "VARCHAR", "What happened, one of a fixed list; other if the vendor's code is unknown."),
    Column("vendor_action", "VARCHAR", "The vendor's own code or status."),
    Column("outcome", "VARCHAR", "The step's outcome, in the vendor's words; NULL if it tells none."),
    Column(
        "reason",
        "VARCHAR",
        "The reason as text, with * in place of the person's key; NULL if the vendor gives none.",
    ),
    Column(
        "reason_code",
        "VARCHAR",
        "The vendor's code of the reason, of the entry that reason is from; NULL if it gives none.",
    ),
    Column("is_test", "BOOLEAN", "Whether it is a dry run or a test send; marts exclude those."),
    Column("properties", "JSON", "Every other field of the record under its own name."),
    Column("partition_key", "VARCHAR", "The partition of the lake that holds the event."),
    Column("landing_file", "VARCHAR", "The landed file it came from: partition/attempt/file."),
    Column("landing_row", "BIGINT", "The record's number in that file, from 1, the header not counted."),
)

LINEAGE = ("partition_key", "landing_file", "landing_row")
"""The columns that say where an event landed. A later answer that tells of it again changes these alone."""

EVENTS_ONLY = frozenset({"enrolment_id", "next_activity_id", "message_id", "reason", "reason_code"})
"""The columns of an event that a reject lacks: of that it is asked why it is one."""

ATTRIBUTE_COLUMNS: tuple[Column, ...] = (
    Column("section_id", "VARCHAR", "The section of the account; NULL if the export names none."),
    Column("profile_key", "VARCHAR", "The vendor's key of the person, as in contact_id of the events."),
    Column("attribute_id", "VARCHAR", "The vendor's id of the attribute or tag in its files."),
    Column("attribute", "VARCHAR", "Its discriminator in the vendor's definitions; NULL if they have none."),
    Column("attribute_name", "VARCHAR", "Its name in the vendor's definitions; NULL if they have none."),
    Column("value", "VARCHAR", "Text as it is, other types as JSON; true or false for a tag; NULL if not set."),
    Column("is_tag", "BOOLEAN", "Whether it is a tag; NULL if unknown."),
)
POPULATION_COLUMNS: tuple[Column, ...] = (
    Column("journey_id", "VARCHAR", "The journey; NULL if the file's filter names none."),
    Column("population", "VARCHAR", "By what the people were filtered: enter, exit or channel_interaction."),
    Column("window_start", "TIMESTAMPTZ", "Start of the filter's time, UTC; NULL if unknown."),
    Column("window_end", "TIMESTAMPTZ", "End of it, excluded, UTC; NULL if unknown."),
    Column("exported_at", "TIMESTAMPTZ", "When the file was exported, UTC."),
    Column("profile_key", "VARCHAR", "The vendor's key of the person, as in contact_id of the events."),
    Column("landing_file", "VARCHAR", "The landed file: partition/attempt/file."),
)
EXPORT_COLUMNS: tuple[Column, ...] = (
    Column("export_id", "BIGINT", "The export's number in the ledger."),
    Column("part_of", "BIGINT", "The split export that this one is a part of; NULL if it is none."),
    Column("vendor", "VARCHAR", "The vendor's short name."),
    Column("connection", "VARCHAR", "The connection that ordered it."),
    Column("stream", "VARCHAR", "The kind of record that it holds."),
    Column("partition_key", "VARCHAR", "The partition under which it lands."),
    Column("window_start", "TIMESTAMPTZ", "Start of its window, UTC."),
    Column("window_end", "TIMESTAMPTZ", "End of its window, excluded, UTC."),
    Column("state", "VARCHAR", "Its state; stopped means that a person must change something."),
    Column(
        "reason", "VARCHAR", "Why, such as refused, unanswered, failed, lost, overdue, rejected; NULL if all is well."
    ),
    Column("attempt", "BIGINT", "Number of orders sent."),
    Column("polls", "BIGINT", "Polls of the present attempt."),
    Column("failures", "BIGINT", "Attempts that the vendor accepted and failed to make."),
    Column("losses", "BIGINT", "Attempts that the vendor lost."),
    Column("vendor_export_id", "VARCHAR", "The vendor's id of the present attempt."),
    Column("wanted_at", "TIMESTAMPTZ", "When it entered the queue, UTC."),
    Column("asked_at", "TIMESTAMPTZ", "When the last order was sent, UTC."),
    Column("requested_at", "TIMESTAMPTZ", "When the vendor accepted the present attempt, UTC."),
    Column("polled_at", "TIMESTAMPTZ", "When it was last polled, UTC."),
    Column("ready_at", "TIMESTAMPTZ", "When its file was found ready, UTC."),
    Column("landed_at", "TIMESTAMPTZ", "When its file landed in the lake, UTC."),
    Column(
        "due_at", "TIMESTAMPTZ", "When it is next ordered, polled or downloaded; NULL once it has ended or stopped."
    ),
    Column("last_status", "BIGINT", "The HTTP status of the vendor's last answer."),
    Column("error", "VARCHAR", "The last error; NULL if there was none."),
)

CHANNELS = frozenset(
    "email sms whatsapp web_push app_push in_app on_site api ads web journey other".split()  # noqa: SIM905
)
ACTIONS = frozenset(
    "enter exit send deliver open click reply bounce unsubscribe complain convert decide wait skip suppress fail "  # noqa: SIM905
    "visit other".split()
)


def contiguous(windows: Iterable[Window], at_most: int, *, apart: timedelta = timedelta()) -> list[list[Window]]:
    """Runs of windows of which each starts where the one before ends, or so far after it, none longer than a limit."""
    runs: list[list[Window]] = []
    for window in sorted(windows):
        if runs and window.start - runs[-1][-1].end <= apart and len(runs[-1]) < at_most:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs
