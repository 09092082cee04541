"""The settings of APSIS One.

Not here: the vendor's routes and rules (`vendors/apsis/`), the Component (`components/apsis.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from journey_pipeline.connections.connection import Connection, Lists, connection_name
from journey_pipeline.exports.policy import PENDING_LIMIT, Backoff, ExportPolicy
from journey_pipeline.lake.landing import last_answers
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import home, utc_now
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.apsis.client import (
    LIMITS,
    OPTIONAL_VARIABLES,
    ORDER_S,
    POLL_S,
    REQUIRED_VARIABLES,
    ApsisClient,
)
from journey_pipeline.vendors.apsis.doctor import check
from journey_pipeline.vendors.apsis.email_events.stream import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.lists import ALL
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE, TRAILING_DAYS, Account, Names, Selection
from journey_pipeline.vendors.apsis.profile_events.file import LONGEST_PROFILE_BYTES
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.source import Source, Stream


class ApsisConnection(Connection):
    """The settings of APSIS One, and what they open."""

    vendor: ClassVar[str] = "apsis"
    required_variables: ClassVar[Sequence[str]] = REQUIRED_VARIABLES
    optional_variables: ClassVar[Sequence[str]] = OPTIONAL_VARIABLES

    connection: str = connection_name("apsis")
    sections: Sequence[str] = Field(
        default_factory=list, description="Sections to export, by discriminator. Empty: all sections."
    )
    attributes: Sequence[str] = Field(
        default_factory=lambda: [EMAIL_ATTRIBUTE], description="Attributes to export, by discriminator, at most 75."
    )
    tags: Sequence[str] = Field(default_factory=list, description="Tags to export, by discriminator, at most 25.")
    event_types: Sequence[str] = Field(
        default_factory=list, description="Types of profile events to export, by discriminator. Empty: all types."
    )
    segments: Sequence[str] = Field(
        default_factory=list, description="Segments whose profiles are exported. Empty: all profiles."
    )
    names: Mapping[str, str] = Field(
        default_factory=dict,
        description="Names of the vendor's fields, where they differ from the assumed ones. Some are not published.",
    )
    trailing_days: int = Field(
        TRAILING_DAYS, ge=0, le=30, description="Days to order again with each new day, because events arrive late."
    )
    pending_limit: int = Field(PENDING_LIMIT, ge=1, description="Largest number of exports under way at once.")
    longest_poll_wait_seconds: float = Field(
        ExportPolicy().polling.longest.total_seconds(),
        gt=0,
        description="Longest time between two polls of an export, in seconds.",
    )
    poll_timeout_seconds: float = Field(
        POLL_S,
        gt=0,
        le=30,
        description="Timeout of one poll, in seconds. After a timeout the export is polled again later. One "
        "tick of the sensor has 60 seconds.",
    )
    order_timeout_seconds: float = Field(
        ORDER_S,
        gt=0,
        le=45,
        description="Timeout of one order, in seconds. An order without an answer is sent again after ten "
        "minutes. One tick of the sensor has 60 seconds.",
    )
    overdue_after_hours: float = Field(
        ExportPolicy().overdue_after / timedelta(hours=1),
        gt=0,
        description="Hours after which a pending export is overdue and raises an alert.",
    )
    downloads_at_a_time: int = Field(
        LIMITS.concurrency, ge=1, le=8, description="Downloads at the same time. The vendor publishes no limit."
    )
    longest_profile_mib: int = Field(
        LONGEST_PROFILE_BYTES >> 20,
        ge=4,
        le=1024,
        description="Largest profile kept in memory, in MiB. Longer profiles are split between events; one that"
        " cannot be split is rejected. Peak memory is about ten times this.",
    )

    @property
    def selection(self) -> Selection:
        """The selection of an order."""
        return Selection(
            tuple(self.sections),
            tuple(self.attributes),
            tuple(self.tags),
            tuple(self.event_types),
            tuple(self.segments),
        )

    @property
    def longest_profile_bytes(self) -> int:
        """The setting `longest_profile_mib` in bytes."""
        return self.longest_profile_mib << 20

    @property
    def offered(self) -> Mapping[str, Stream]:
        """Profile events and e-mail events."""
        profiles = profile_events_stream(
            self.connection, self.start_at, longest_profile_bytes=self.longest_profile_bytes
        )
        emails = email_events_stream(self.connection, self.start_at)
        return {
            "Profile events of APSIS One": replace(profiles, asked_again=self.trailing_days),
            "E-mail events of APSIS One": replace(emails, asked_again=self.trailing_days),
        }

    @property
    def lists(self) -> Lists:
        """The account's definitions and its e-mails."""
        return Lists("definitions", ALL, self.open_dimension_pages)

    def check(self) -> Mapping[str, str]:
        """Asks for the definitions, and each route of exports for one that does not exist; never orders."""
        account = self._account()
        with closing(account.client):
            return check(account, utc_now())

    def open_sources(self) -> Mapping[str, Source]:
        """Both streams, with credentials from the environment."""
        account = self._account()
        profiles, emails = self.offered.values()
        return {
            profiles.key.stream: ProfileEvents(
                account,
                profiles,
                longest_profile_bytes=self.longest_profile_bytes,
                last_answers=lambda: last_answers(Lake(home()), profiles.key),
            ),
            emails.key.stream: EmailEvents(account, emails),
        }

    @property
    def export_policy(self) -> ExportPolicy:
        """The settings of exports, as the queue takes them."""
        return ExportPolicy(
            pending_limit=self.pending_limit,
            polling=Backoff(longest=timedelta(seconds=self.longest_poll_wait_seconds)),
            overdue_after=timedelta(hours=self.overdue_after_hours),
            poll_s=self.poll_timeout_seconds,
            order_s=self.order_timeout_seconds,
        )

    @contextmanager
    def open_dimension_pages(self) -> Iterator[Iterator[bytes]]:
        """The pages of the account's definitions."""
        account = self._account()
        with closing(account.client):
            yield account.client.dimension_pages()

    def _account(self) -> Account:
        limits = Limits(requests_per_s=self.requests_per_second, concurrency=self.downloads_at_a_time)
        client = ApsisClient(
            self.connection, limits=limits, poll_s=self.poll_timeout_seconds, order_s=self.order_timeout_seconds
        )
        return Account(client, self.selection, Names.of(self.names))
