"""The settings of Insider.

Not here: the vendor's routes and rules (`vendors/insider/`), the Component (`components/insider.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from journey_pipeline.connections.connection import Connection, Lists, connection_name
from journey_pipeline.errors import ConfigError
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey
from journey_pipeline.settings import connection_variables, home, ledger_url, local_path, utc_now
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.dropped import DropSource
from journey_pipeline.vendors.insider.analytics import ANALYTICS_VARIABLES, AnalyticsClient
from journey_pipeline.vendors.insider.client import (
    LIMITS,
    OPTIONAL_VARIABLES,
    REQUIRED_VARIABLES,
    InsiderClient,
    requests_per_day,
)
from journey_pipeline.vendors.insider.doctor import check
from journey_pipeline.vendors.insider.lists import ALL, pages
from journey_pipeline.vendors.insider.user_events.second import Names, UserEventsV2
from journey_pipeline.vendors.insider.user_events.stream import (
    LOOKBACK_DAYS,
    RETENTION_DAYS,
    Choice,
    UserEvents,
    user_events_stream,
)
from journey_pipeline.vendors.insider.user_profiles.source import ListSettings, UserProfiles, user_profiles_stream
from journey_pipeline.vendors.source import Source, Stream

if TYPE_CHECKING:
    from journey_pipeline.loading.exports import Exports

HOOK_LIFE = timedelta(hours=48)
REQUESTS_PER_DAY = 1  # documented: D1
POLLED_AFTER = timedelta(seconds=30)  # version 2; assumed


class InsiderConnection(Connection):
    """The settings of Insider, and what they open."""

    vendor: ClassVar[str] = "insider"
    required_variables: ClassVar[Sequence[str]] = REQUIRED_VARIABLES
    optional_variables: ClassVar[Sequence[str]] = (*OPTIONAL_VARIABLES, *ANALYTICS_VARIABLES)

    connection: str = connection_name("insider")
    lookback_days: int = Field(
        LOOKBACK_DAYS,
        ge=1,
        le=31,
        description="Days that each day's order holds, the newest included: events arrive late.",
    )
    weekly_lookback_days: int = Field(
        30, ge=1, le=31, description="The same of Sunday's order. The segment must hold users of as many days."
    )
    retention_days: int = Field(
        RETENTION_DAYS, ge=1, description="Days that the vendor keeps events. It publishes no figure; ask for yours."
    )
    events: Mapping[str, Sequence[str]] = Field(
        default_factory=dict,
        description="Further events to export, by system name, each with its parameters. Journey events always are.",
    )
    parameters: Sequence[str] = Field(
        default_factory=list, description="Further parameters of the journey events to export, by system name."
    )
    filters: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict,
        description="One filter for each event, by the event's system name: key, operator and values, as the vendor "
        "takes them.",
    )
    check_receiver: bool = Field(
        True,  # noqa: FBT003 - pydantic's own way to give a default
        description="Whether the receiver must answer through its public address before an order is sent. false: for "
        "networks that can't see their own public address.",
    )
    api_version: Literal[1, 2] = Field(
        1,
        description="1: the documented export. 2: PROVISIONAL, since the vendor publishes neither paths nor fields: "
        "ordered, polled and called for by an id, in chunks of people and of events, CSV or Parquet.",
    )
    v2_names: Mapping[str, str] = Field(
        default_factory=dict,
        description="PROVISIONAL: paths, fields and states of version 2 that are other than proposed, such as "
        "export_path, status_path or event_files.",
    )
    overdue_after_hours: float = Field(
        6, gt=0, description="Hours without a call after which an export is overdue and raises an alert."
    )
    lost_after_hours: float = Field(
        24, gt=0, description="Hours without a call after which an export is lost, and ordered again."
    )
    quiet_minutes: float = Field(
        5, ge=0, le=60, description="Minutes before and after midnight UTC in which nothing is ordered: clocks differ."
    )

    profile_encoding: str = Field(
        "utf-8", description="Encoding of profile CSVs that have no byte order mark, such as windows-1254."
    )
    profile_aliases: Mapping[str, str] = Field(
        default_factory=dict,
        description="Attributes by names of columns of profile CSVs, where the account does not list the name. The "
        "attribute iid is the user's own key.",
    )
    profiles_folder: str = Field(
        "",
        description="Folder of profile CSVs, with incoming/, processing/, done/ and quarantine/. Default: "
        "inbox/<connection>/profiles/ in the home.",
    )

    @field_validator("v2_names")
    @classmethod
    def _are_known(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        try:
            Names.of(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("profile_encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            "".encode(value)
        except (LookupError, ValueError):
            raise ValueError(f"profile_encoding is {value!r}; write it as utf-8 or windows-1254") from None
        return value

    @property
    def offered(self) -> Mapping[str, Stream]:
        """User events, and lists of people."""
        return {"User events of Insider": self._events, "Profiles of Insider": self._profiles}

    @property
    def _events(self) -> Stream:
        return replace(
            user_events_stream(self.connection, self.start_at),
            asked_again=self.lookback_days - 1,
            asked_again_on_sundays=self.weekly_lookback_days - 1,
            retention=timedelta(days=self.retention_days),
        )

    @property
    def _profiles(self) -> Stream:
        return user_profiles_stream(self.connection, self.start_at, self.profile_aliases)

    @property
    def lists(self) -> Lists:
        """The account's events and attributes; its journeys and campaigns where there is an analytics key."""
        return Lists("definitions", ALL, self.open_dimension_pages)

    def check(self) -> Mapping[str, str]:
        """Asks what the account has, and whether the receiver is there; never uses the day's request."""
        with ExitStack() as opened:
            client, analytics = self._opened(opened)
            fingerprint = _fingerprint() if self.check_receiver else None
            said = check(client, analytics, fingerprint=fingerprint, now=utc_now)
            version = {"version": "2 of the export, which is provisional"} if self.api_version > 1 else {}
            return {**said, **version, "today's request": self._spent()}

    def open_sources(self) -> Mapping[str, Source]:
        """What is ordered, with credentials from the environment."""
        stream = self._events
        choice = Choice(self.events, self.parameters, self.filters, self.check_receiver)
        open_analytics = partial(AnalyticsClient.of, self.connection, self._limits)
        of_version = UserEvents if self.api_version == 1 else partial(UserEventsV2, names=Names.of(self.v2_names))
        opened = of_version(self._client(), stream, choice, open_analytics=open_analytics, fingerprint=_fingerprint)
        return {stream.key.stream: opened}

    def open_dropped(self, key: StreamKey) -> DropSource:
        """The lists of people."""
        profiles = self._profiles
        if key != profiles.key:
            return super().open_dropped(key)
        folder = Lake(home()).inbox(self.connection, "profiles")
        if self.profiles_folder:
            folder = local_path(self.profiles_folder, "profiles_folder")
        settings = ListSettings(self.profile_encoding, self.profile_aliases)
        partner = connection_variables(self.connection, (), ("partner_name",)).get("partner_name", "")
        return UserProfiles(profiles, settings, self._client, folder, partner=partner)

    @property
    def export_policy(self) -> ExportPolicy:
        """One order a UTC day; of an order under way the clock alone can be looked at."""
        return ExportPolicy(
            pending_limit=None,
            is_polled=self.api_version > 1,
            polling=Backoff(shortest=POLLED_AFTER),
            asks_per_day=REQUESTS_PER_DAY,
            hook_life=HOOK_LIFE,
            quiet_around_midnight=timedelta(minutes=self.quiet_minutes),
            refusal=Backoff(shortest=timedelta(minutes=1), longest=timedelta(minutes=30)),
            overdue_after=timedelta(hours=self.overdue_after_hours),
            lost_after=timedelta(hours=self.lost_after_hours),
        )

    def open_exports(self) -> Exports:
        """As for all; how many orders a day takes goes with the host, as a pace does, so a variable may say it."""
        opened = super().open_exports()
        policy = replace(opened.queue.policy, asks_per_day=requests_per_day(self.connection) or REQUESTS_PER_DAY)
        return replace(opened, queue=replace(opened.queue, policy=policy))

    def _spent(self) -> str:
        from journey_pipeline.exports.turns import spent  # noqa: PLC0415 - brings SQLAlchemy along

        with self.open_exports() as opened:
            queue, now = opened.queue, utc_now()
            opens_at, by = spent(queue.ledger, queue.connection, queue.policy, now)
        if by:
            return (
                f"used by export {by.id} for {by.window}; the next order may be sent at {opens_at:%Y-%m-%d %H:%M} UTC"
            )
        return "not used" if opens_at <= now else f"held until {opens_at:%Y-%m-%d %H:%M} UTC"

    @contextmanager
    def open_dimension_pages(self) -> Iterator[Iterator[bytes]]:
        """The pages of the account's lists."""
        with ExitStack() as opened:
            yield pages(*self._opened(opened))

    def _opened(self, stack: ExitStack) -> tuple[InsiderClient, AnalyticsClient | None]:
        client = stack.enter_context(closing(self._client()))
        analytics = AnalyticsClient.of(self.connection, self._limits)
        return client, analytics and stack.enter_context(closing(analytics))

    @property
    def _limits(self) -> Limits:
        return Limits(requests_per_s=self.requests_per_second, concurrency=LIMITS.concurrency)

    def _client(self) -> InsiderClient:
        return InsiderClient(self.connection, limits=self._limits)


def _fingerprint() -> str:
    from journey_pipeline.exports.database import open_ledger  # noqa: PLC0415 - brings SQLAlchemy along

    with open_ledger(ledger_url()) as ledger:
        return ledger.fingerprint()
