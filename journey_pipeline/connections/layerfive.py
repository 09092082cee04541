"""The settings of LayerFive.

Not here: the vendor's routes and rules (`vendors/layerfive/`), the Component (`components/layerfive.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import ClassVar

from pydantic import Field

from journey_pipeline.connections.connection import Connection, connection_name
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.layerfive.client import LIMITS, OPTIONAL_VARIABLES, REQUIRED_VARIABLES, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline.vendors.source import Source, Stream


class LayerFiveConnection(Connection):
    """The settings of LayerFive, and what they open."""

    vendor: ClassVar[str] = "layerfive"
    required_variables: ClassVar[Sequence[str]] = REQUIRED_VARIABLES
    optional_variables: ClassVar[Sequence[str]] = OPTIONAL_VARIABLES

    connection: str = connection_name("layerfive")
    fields: Mapping[str, str] = Field(
        default_factory=dict,
        description="The vendor's field for each canonical column, as a name or a dotted path, such as "
        "{occurred_at: hit_time, contact_id: person.key}. Columns without an entry are found by "
        "common names.",
    )
    records: str = Field(
        "",
        description="Array of records in an answer, as a name or a dotted path, such as data.rows, spelled as "
        "the vendor does. Empty: it is searched for.",
    )
    events: str = Field(
        "",
        description="Array of events in each record, such as hits, if a record is a person with several events."
        " Empty: it is found by common names.",
    )
    volatile: Sequence[str] = Field(
        default_factory=list,
        description="Fields that change while the event stays the same. They are left out of the event's key.",
    )
    known_fields: Sequence[str] = Field(
        default_factory=list,
        description="Fields that schema_is_known accepts.",
    )
    event_id_is_unique: bool = Field(
        default=False,
        description="Whether the event id identifies an event. If true, a corrected record replaces the earlier event.",
    )
    timezone: str = Field("UTC", description="Time zone of times without one, and of the account's days.")
    overlap_days: int = Field(
        1,
        ge=0,
        le=89,
        description="Days that each request starts early, because the vendor does not publish when its day "
        "begins. Set 89 if the account answers only for people who became known since the day asked"
        " for.",
    )
    auth_header: str = Field("Authorization", description="Header that carries the API key.")
    auth_scheme: str = Field("Bearer", description="Word before the key in that header. May be empty.")

    @cached_property
    def mapping(self) -> MappingSettings:
        """The connection's settings about its records."""
        return MappingSettings(
            fields=dict(self.fields),
            records=self.records,
            events=self.events,
            volatile=tuple(self.volatile),
            known_fields=tuple(self.known_fields),
            event_id_is_unique=self.event_id_is_unique,
            timezone=self.timezone,
        )

    @property
    def offered(self) -> Mapping[str, Stream]:
        """The customer journeys."""
        stream = customer_journeys_stream(self.connection, self.start_at, self.mapping, overlap_days=self.overlap_days)
        return {"Customer journeys of LayerFive": stream}

    def check(self) -> Mapping[str, str]:
        """Asks for the last day, and tells which column is read from which field."""
        with closing(self._open()) as source:
            return source.check()

    @property
    def answers_for_people(self) -> bool:
        """LayerFive does."""
        return True

    def open_people(self) -> CustomerJourneys:
        """The customer journeys, which also answer for a single person."""
        return self._open()

    def open_sources(self) -> Mapping[str, Source]:
        """The customer journeys, with the key from the environment."""
        source = self._open()
        return {source.stream.key.stream: source}

    def _open(self) -> CustomerJourneys:
        limits = Limits(requests_per_s=self.requests_per_second, concurrency=LIMITS.concurrency)
        client = LayerFiveClient(
            self.connection, limits=limits, auth_header=self.auth_header, auth_scheme=self.auth_scheme
        )
        return CustomerJourneys(client, *self.offered.values(), overlap_days=self.overlap_days)
