"""The Component of APSIS One.

Not here: the vendor's routes and rules (`vendors/apsis/`), how assets are built (`export_assets.py` and
`export_sensor.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import dagster as dg
from pydantic import Field

from journey_pipeline.components.connection import ConnectionComponent, Lists, connection_name
from journey_pipeline.components.export_sensor import export_sensor
from journey_pipeline.components.ways import BY_EXPORT, Way
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.landing import last_answers
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.settings import home, ledger_url, utc_now
from journey_pipeline.transport.limits import Limits
from journey_pipeline.vendors.apsis.account import Account, check
from journey_pipeline.vendors.apsis.client import ORDER_S, POLL_S, ApsisClient
from journey_pipeline.vendors.apsis.email_events.stream import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.lists import ALL
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE, TRAILING_DAYS, Names, Selection
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.source import ExportSource, Stream


class ApsisExports(ConnectionComponent):
    """APSIS One: profile events and e-mail events, exports that are ordered and polled until they are ready.

    Gives the assets requests/, raw/ and events/<connection>/profile_events and .../email_events, daily in UTC, and the
    dimensions of the account. One sensor orders and polls; a range of days is one export.

    Needs the variables <CONNECTION>_URL, <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET. The ledger of exports
    is an SQLite file in the home, or the database of JOURNEY_PIPELINE_LEDGER_URL, which needs
    JOURNEY_PIPELINE_LINK_KEY.
    """

    vendor: ClassVar[str] = "apsis"
    kinds: ClassVar[frozenset[str]] = frozenset({"apsis"})
    way: ClassVar[Way] = BY_EXPORT

    connection: str = connection_name("apsis")
    sections: Sequence[str] = Field(default_factory=list, description="Discriminators; all sections if none is named.")
    attributes: Sequence[str] = Field(
        default_factory=lambda: [EMAIL_ATTRIBUTE], description="Discriminators of the attributes to export, at most 75."
    )
    tags: Sequence[str] = Field(default_factory=list, description="Discriminators of the tags to export, at most 25.")
    event_types: Sequence[str] = Field(
        default_factory=list, description="Discriminators of the profile events; all event types if none is named."
    )
    segments: Sequence[str] = Field(
        default_factory=list, description="Only profiles in one of these segments; all profiles if none is named."
    )
    names: Mapping[str, str] = Field(
        default_factory=dict, description="Other names of the vendor's fields, which are partly unpublished."
    )
    trailing_days: int = Field(
        TRAILING_DAYS, ge=0, le=30, description="So many days are ordered again with the newest: events come late."
    )
    pending_limit: int = Field(
        ExportPolicy().pending_limit, ge=1, description="How many exports may be under way at once."
    )
    longest_poll_wait_seconds: float = Field(
        ExportPolicy().polling.longest.total_seconds(), gt=0, description="Polls are at most so far apart."
    )
    poll_timeout_seconds: float = Field(
        POLL_S,
        gt=0,
        le=30,
        description="How long one poll may last; what hangs is polled again later. A tick of the sensor has a minute.",
    )
    order_timeout_seconds: float = Field(
        ORDER_S,
        gt=0,
        le=45,
        description="How long one order may last; one without an answer is sent again after ten minutes. A tick of the "
        "sensor has a minute.",
    )
    overdue_after_hours: float = Field(
        ExportPolicy().overdue_after / timedelta(hours=1),
        gt=0,
        description="An export that takes longer raises an alert.",
    )
    downloads_at_a_time: int = Field(2, ge=1, le=8, description="The vendor publishes no figure.")
    longest_profile_mib: int = Field(
        16,
        ge=4,
        le=1024,
        description="So much is held of one profile of an export, in MiB: a longer one is cut between its events, and "
        "without events to cut between it is refused. Memory is some ten times that at most.",
    )

    @property
    def selection(self) -> Selection:
        """What is asked for."""
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

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """What every connection has, and the sensor that orders and polls."""
        sensor = export_sensor(
            self.connection,
            self.streams,
            open_exports=self.open_exports,
            poll_s=self.poll_timeout_seconds,
            order_s=self.order_timeout_seconds,
            status=self.sensor_status,
        )
        return dg.Definitions.merge(super().build_defs(context), dg.Definitions(sensors=[sensor]))

    def check(self) -> Mapping[str, str]:
        """Asks for the definitions and orders one hour of each export; says how the answers' fields are called."""
        account = self._account()
        try:
            return check(account, utc_now())
        finally:
            account.client.close()

    def open_exports(self) -> Exports:
        """The ledger and both streams, with credentials from the environment."""
        account = self._account()
        profiles, emails = self.offered.values()
        sources: Mapping[str, ExportSource] = {
            profiles.key.stream: ProfileEvents(
                account,
                profiles,
                longest_profile_bytes=self.longest_profile_bytes,
                last_answers=lambda: last_answers(Lake(home()), profiles.key),
            ),
            emails.key.stream: EmailEvents(account, emails),
        }
        policy = ExportPolicy(
            pending_limit=self.pending_limit,
            polling=Backoff(longest=timedelta(seconds=self.longest_poll_wait_seconds)),
            overdue_after=timedelta(hours=self.overdue_after_hours),
        )
        longest = {stream.key.stream: stream.reach.longest for stream in (profiles, emails)}
        return Exports(Queue(self.connection, open_ledger(ledger_url()), policy, utc_now, longest), sources)

    @contextmanager
    def open_dimension_pages(self) -> Iterator[Iterator[bytes]]:
        """The pages of the account's definitions."""
        account = self._account()
        try:
            yield account.client.dimension_pages()
        finally:
            account.client.close()

    def _account(self) -> Account:
        limits = Limits(requests_per_s=self.requests_per_second, concurrency=self.downloads_at_a_time)
        client = ApsisClient(
            self.connection, limits=limits, poll_s=self.poll_timeout_seconds, order_s=self.order_timeout_seconds
        )
        return Account(client, self.selection, Names.of(self.names))
