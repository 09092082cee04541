"""The settings of Salesforce Marketing Cloud.

Not here: the vendor's routes and rules (`vendors/sfmc/`), the Component (`components/sfmc.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import ClassVar, Literal

from pydantic import Field

from journey_pipeline.connections.connection import Connection, Lists, connection_name
from journey_pipeline.settings import utc_now
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.sfmc.client import LIMITS, OPTIONAL_VARIABLES, REQUIRED_VARIABLES, SfmcClient
from journey_pipeline.vendors.sfmc.doctor import check
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
from journey_pipeline.vendors.source import Source, Stream

FILTERS = "Filters that the vendor applies."


class SfmcConnection(Connection):
    """The settings of Salesforce Marketing Cloud, and what they open."""

    vendor: ClassVar[str] = "sfmc"
    required_variables: ClassVar[Sequence[str]] = REQUIRED_VARIABLES
    optional_variables: ClassVar[Sequence[str]] = OPTIONAL_VARIABLES

    connection: str = connection_name("sfmc")
    filters: Filters = Field(default_factory=Filters, description=FILTERS)
    columns: Literal["all", "lean"] = Field(
        "all",
        description="all: every column. lean: Id and the vendor's eight defaults; the other columns are lost "
        "after 30 days.",
    )
    downloads_at_a_time: int = Field(
        LIMITS.concurrency, ge=1, le=8, description="Downloads at the same time. The vendor publishes no limit."
    )
    most_rows_per_request: int = Field(
        MOST_ROWS, gt=0, description="Largest estimate of rows for one request. Larger windows are asked for in halves."
    )
    most_bytes_per_request: int = Field(
        MOST_COMPRESSED_BYTES,
        gt=0,
        description="Largest estimate of compressed bytes for one request. Larger windows are asked for in "
        "halves. The vendor's limit is 1 GB.",
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
        client = self._client()
        with closing(self._open(client)) as history:
            return check(client, history, utc_now())

    def open_sources(self) -> Mapping[str, Source]:
        """The journey history, with credentials from the environment."""
        source = self._open(self._client())
        return {source.stream.key.stream: source}

    def _open(self, client: SfmcClient) -> JourneyHistory:
        return JourneyHistory(
            client,
            *self.offered.values(),
            filters=self.filters,
            columns=DEFAULT_COLUMNS if self.columns == "all" else LEAN_COLUMNS,
            most_compressed_bytes=self.most_bytes_per_request,
            most_rows=self.most_rows_per_request,
        )

    @contextmanager
    def open_journey_pages(self) -> Iterator[Iterator[bytes]]:
        """The pages of the journey list."""
        with closing(self._client()) as client:
            yield client.journey_pages()

    def _client(self) -> SfmcClient:
        limits = Limits(requests_per_s=self.requests_per_second, concurrency=self.downloads_at_a_time)
        return SfmcClient(self.connection, limits=limits)
