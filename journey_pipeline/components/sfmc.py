"""The Component of Salesforce Marketing Cloud.

Not here: the vendor's routes and rules (`vendors/sfmc/`), how assets are built (`load_assets.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import dagster as dg
from pydantic import Field

from journey_pipeline.components.connection import ConnectionComponent, Lists, connection_name
from journey_pipeline.settings import utc_now
from journey_pipeline.transport.limits import Limits
from journey_pipeline.vendors.sfmc.client import SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import (
    DEFAULT_COLUMNS,
    LEAN_COLUMNS,
    MOST_COMPRESSED_BYTES,
    MOST_ROWS,
    Filters,
    JourneyHistory,
    journey_history_stream,
)
from journey_pipeline.vendors.sfmc.lists import ACTIVITIES, JOURNEYS
from journey_pipeline.vendors.source import Stream


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

    vendor: ClassVar[str] = "sfmc"
    kinds: ClassVar[frozenset[str]] = frozenset({"salesforce"})

    connection: str = connection_name("sfmc")
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
    def offered(self) -> Mapping[str, Stream]:
        """The journey history."""
        return {"Journey history of Salesforce Marketing Cloud": journey_history_stream(self.connection, self.start_at)}

    @property
    def lists(self) -> Lists:
        """The journey list."""
        return Lists("journeys", (JOURNEYS, ACTIVITIES), self.open_journey_pages)

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
            *self.offered.values(),
            filters=Filters.of(self.filters.model_dump()),
            columns=DEFAULT_COLUMNS if self.columns == "all" else LEAN_COLUMNS,
            most_compressed_bytes=self.most_bytes_per_request,
            most_rows=self.most_rows_per_request,
            concurrency=self.downloads_at_a_time,
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
