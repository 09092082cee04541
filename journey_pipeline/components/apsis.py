"""The Component of APSIS One.

Not here: the vendor's routes and rules (`vendors/apsis/`), how assets are built (`export_assets.py` and
`export_sensor.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import dagster as dg
from pydantic import Field

from journey_pipeline.components.connection import ConnectionComponent
from journey_pipeline.components.dimension_assets import DimensionAssets
from journey_pipeline.components.export_assets import ExportAssets
from journey_pipeline.components.export_sensor import export_check, export_sensor, request_schedules
from journey_pipeline.components.standing_checks import (
    completeness_definitions,
    redness_definitions,
    wholeness_definitions,
)
from journey_pipeline.errors import ConfigError
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import Backoff, ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.landing import last_answers
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.model import Granularity, StreamKey
from journey_pipeline.settings import home, ledger_url
from journey_pipeline.transport.limits import Limits
from journey_pipeline.vendors.apsis import definitions as dimensions
from journey_pipeline.vendors.apsis.account import Account
from journey_pipeline.vendors.apsis.client import ORDER_S, POLL_S, ApsisClient
from journey_pipeline.vendors.apsis.doctor import check
from journey_pipeline.vendors.apsis.email_events import EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.orders import EMAIL_ATTRIBUTE, LONGEST_WINDOW, TRAILING_DAYS, Names, Selection
from journey_pipeline.vendors.apsis.profile_events import ProfileEvents, profile_events_stream
from journey_pipeline.vendors.source import ExportSource, WindowedSource

KINDS = frozenset({"apsis"})


class ApsisExports(ConnectionComponent):
    """APSIS One: profile events and e-mail events, exports that are ordered and polled until they are ready.

    Gives the assets requests/, raw/ and events/<connection>/profile_events and .../email_events, daily in UTC, and the
    dimensions of the account. One sensor orders and polls; a range of days is one export.

    Needs the variables <CONNECTION>_URL, <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET. The ledger of exports
    is an SQLite file in the home, or the database of JOURNEY_PIPELINE_LEDGER_URL, which needs
    JOURNEY_PIPELINE_LINK_KEY.
    """

    connection: str = Field(
        "apsis",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of the connection. It prefixes its assets, its folders and, in upper case, its variables.",
    )
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
    pending_limit: int = Field(5, ge=1, description="How many exports may be under way at once.")
    longest_poll_wait_seconds: float = Field(300.0, gt=0, description="Polls are at most so far apart.")
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
    overdue_after_hours: float = Field(12.0, gt=0, description="An export that takes longer raises an alert.")
    downloads_at_a_time: int = Field(2, ge=1, le=8, description="The vendor publishes no figure.")
    longest_profile_mib: int = Field(
        16,
        ge=4,
        le=1024,
        description="So much is held of one profile of an export, in MiB: a longer one is cut between its events, and "
        "without events to cut between it is refused. Memory is some ten times that at most.",
    )

    @property
    def vendor(self) -> str:
        """The vendor's short name."""
        return "apsis"

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
    def streams(self) -> list[ExportAssets]:
        """Profile events and e-mail events."""
        made = {
            "Profile events of APSIS One": profile_events_stream(
                self.connection, self.start_at, longest_profile_bytes=self.longest_profile_bytes
            ),
            "E-mail events of APSIS One": email_events_stream(self.connection, self.start_at),
        }
        return [
            ExportAssets(
                stream=stream,
                settings=self.load_settings,
                open_source=self.open_source,
                title=title,
                kinds=KINDS,
                owners=self.owners,
                fresh_for=self.fresh_for(Granularity.DAY),
                requests_per_s=self.requests_per_second,
                open_exports=self.open_exports,
                trailing_days=self.trailing_days,
            )
            for title, stream in made.items()
        ]

    @property
    def dimensions(self) -> DimensionAssets:
        """The account's definitions and its e-mails."""
        return DimensionAssets(
            key=StreamKey("apsis", self.connection, "definitions"),
            recipes=dimensions.ALL,
            open_pages=self.open_dimension_pages,
            cron="25 3 * * *",
            kinds=KINDS,
            owners=self.owners,
            status=self.schedule_status,
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - the base class's signature
        """The assets, checks, schedules and the sensor of the connection."""
        streams = self.streams
        sensor = export_sensor(
            self.connection,
            streams,
            open_exports=self.open_exports,
            poll_s=self.poll_timeout_seconds,
            order_s=self.order_timeout_seconds,
            status=self.sensor_status,
        )
        return dg.Definitions.merge(
            *(self._stream_definitions(assets) for assets in streams),
            self.dimensions.definitions(),
            self.leftovers_definitions(),
            dg.Definitions(sensors=[sensor]),
        )

    def _stream_definitions(self, assets: ExportAssets) -> dg.Definitions:
        status = self.schedule_status
        schedules = request_schedules(
            assets, newest="30 1 * * *", gaps="40 * * * *", most_partitions=self.gap_partitions, status=status
        )
        standing = completeness_definitions(
            assets,
            cron="50 * * * *",
            grace=timedelta(hours=self.missing_after_hours),
            requests_per_s=self.requests_per_second,
            status=status,
        )
        whole = dg.Definitions.merge(
            wholeness_definitions(assets, cron="20 4 * * *", status=status),
            redness_definitions(assets, cron="35 4 * * *", status=status),
        )
        stuck = export_check(assets, cron="55 * * * *", status=status)
        return dg.Definitions.merge(assets.definitions(), standing, stuck, whole, dg.Definitions(schedules=schedules))

    def check(self) -> Mapping[str, str]:
        """Asks for the definitions and orders one hour of each export; says how the answers' fields are called."""
        account = self._account()
        try:
            return check(account, utc_now())
        finally:
            account.client.close()

    def open_source(self) -> WindowedSource:
        """Nothing answers at once.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{self.connection}: exports of APSIS One are ordered; no window is answered at once")

    def open_exports(self) -> Exports:
        """The ledger and both streams, with credentials from the environment."""
        account = self._account()
        profiles, emails = (assets.stream for assets in self.streams)
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
        longest = dict.fromkeys(sources, LONGEST_WINDOW)
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
