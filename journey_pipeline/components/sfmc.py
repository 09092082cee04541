"""The Component of Salesforce Marketing Cloud.

Not here: the vendor's routes and rules (`vendors/sfmc/`), how assets are built (`stream_assets.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import dagster as dg
from pydantic import Field

from journey_pipeline.components.connection import ConnectionComponent
from journey_pipeline.components.dimension_assets import DimensionAssets
from journey_pipeline.components.standing_checks import freshness_definitions
from journey_pipeline.components.stream_assets import StreamAssets
from journey_pipeline.loading.pull import utc_now
from journey_pipeline.model import Granularity, StreamKey
from journey_pipeline.transport.limits import Limits
from journey_pipeline.vendors.sfmc.client import SfmcClient
from journey_pipeline.vendors.sfmc.filters import Filters
from journey_pipeline.vendors.sfmc.journey_history import (
    ACTIVITIES,
    DEFAULT_COLUMNS,
    JOURNEYS,
    LEAN_COLUMNS,
    MOST_COMPRESSED_BYTES,
    MOST_ROWS,
    JourneyHistory,
    journey_history_stream,
)

KINDS = frozenset({"salesforce"})


class SfmcFilters(dg.Model, dg.Resolvable):
    """Restrictions pushed down to the vendor; a filter with one value also spares the download of its column."""

    contact_keys: Sequence[str] = Field(default_factory=list, description="Contact keys, case-sensitive.")
    activity_types: Sequence[str] = Field(default_factory=list, description="Types of steps, such as EMAILV2.")
    definition_ids: Sequence[str] = Field(default_factory=list, description="Versions of journeys.")
    statuses: Sequence[str] = Field(default_factory=list, description="Such as Failed or Complete.")
    definition_instance_ids: Sequence[str] = Field(default_factory=list, description="Single passages of a contact.")
    activity_ids: Sequence[str] = Field(default_factory=list, description="Steps.")


class SfmcJourneyHistory(ConnectionComponent):
    """Salesforce Marketing Cloud: journey history, an hour at a time.

    Gives the assets raw/<connection>/journey_history and events/<connection>/journey_history, hourly in UTC, and the
    dimensions journeys and activities, daily. The vendor keeps history for 30 days.

    Needs the variables <CONNECTION>_AUTH_URL, <CONNECTION>_REST_URL, <CONNECTION>_CLIENT_ID, <CONNECTION>_CLIENT_SECRET
    and, for a business unit of its own, <CONNECTION>_ACCOUNT_ID, of a server-to-server API integration with the scopes
    journeys_read and list_and_subscribers_read. Where the REST and auth hosts end, see the README.
    """

    connection: str = Field(
        "sfmc",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of the connection. It prefixes its assets, its folders and, in upper case, its variables.",
    )
    filters: SfmcFilters = Field(default_factory=SfmcFilters, description="Restrictions pushed down to the vendor.")
    columns: Literal["all", "lean"] = Field(
        "all",
        description="all: every column, since what is not asked for is lost after 30 days. lean: Id and the vendor's "
        "eight defaults.",
    )
    downloads_at_a_time: int = Field(2, ge=1, le=8, description="The vendor publishes no figure.")
    most_rows_per_request: int = Field(
        MOST_ROWS, gt=0, description="A window with a larger estimate is asked for in halves."
    )
    most_bytes_per_request: int = Field(
        MOST_COMPRESSED_BYTES, gt=0, description="Likewise, of the compressed estimate; the vendor's limit is 1 GB."
    )

    @property
    def vendor(self) -> str:
        """The vendor's short name."""
        return "sfmc"

    @property
    def streams(self) -> list[StreamAssets]:
        """The journey history."""
        return [
            StreamAssets(
                stream=journey_history_stream(self.connection, self.start_at),
                settings=self.load_settings,
                open_source=self.open_source,
                title="Journey history of Salesforce Marketing Cloud",
                kinds=KINDS,
                owners=self.owners,
                fresh_for=self.fresh_for(Granularity.HOUR),
                requests_per_s=self.requests_per_second,
            )
        ]

    @property
    def dimensions(self) -> DimensionAssets:
        """The journey list."""
        return DimensionAssets(
            key=StreamKey("sfmc", self.connection, "journeys"),
            recipes=(JOURNEYS, ACTIVITIES),
            open_pages=self.open_journey_pages,
            cron="5 3 * * *",
            kinds=KINDS,
            owners=self.owners,
            status=self.schedule_status,
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 - the base class's signature
        """The assets, checks and schedules of the connection."""
        (assets,) = self.streams
        return dg.Definitions.merge(
            self.stream_definitions(
                assets,
                newest="*/10 * * * *",
                gaps="40 * * * *",
                completeness="50 * * * *",
                reconciliation="15 4 * * *",
            ),
            freshness_definitions(assets, cron="45 * * * *", status=self.schedule_status),
            self.dimensions.definitions(),
            self.leftovers_definitions(),
        )

    def check(self) -> Mapping[str, str]:
        """Asks freshness, the first page of the journey list, and the estimates of a settled hour and its parts."""
        source = self.open_source()
        try:
            return source.check(utc_now())
        finally:
            source.close()

    def open_source(self) -> JourneyHistory:
        """The journey history, with credentials from the environment."""
        return JourneyHistory(
            self._client(),
            self.streams[0].stream,
            filters=Filters.of(self.filters.model_dump()),
            columns=DEFAULT_COLUMNS if self.columns == "all" else LEAN_COLUMNS,
            most_compressed_bytes=self.most_bytes_per_request,
            most_rows=self.most_rows_per_request,
            concurrency=self.downloads_at_a_time,
            requests_per_s=self.requests_per_second,
        )

    @contextmanager
    def open_journey_pages(self) -> Iterator[Iterator[bytes]]:
        """The pages of the journey list."""
        client = self._client()
        try:
            yield client.journey_pages()
        finally:
            client.close()

    def _client(self) -> SfmcClient:
        limits = Limits(requests_per_s=self.requests_per_second, concurrency=self.downloads_at_a_time)
        return SfmcClient(self.connection, limits=limits)
