"""The Component of Salesforce Marketing Cloud.

Apart, as each vendor's, so that another vendor edits no file of this one. Not here: its settings and what they open
(`connections/sfmc.py`), how assets are built (`load_assets.py`).
"""

from typing import ClassVar

from pydantic import Field

from journey_pipeline.components.connection import ConnectionComponent, ToleranceSettings, tolerance_setting
from journey_pipeline.components.described import Described
from journey_pipeline.connections.sfmc import FILTERS, SfmcConnection
from journey_pipeline.vendors.sfmc.journey_history.stream import Filters


class SfmcFilters(Filters, Described):
    """Filters that the vendor applies. The column of a filter with one value is not downloaded."""


class SfmcJourneyHistory(SfmcConnection, ConnectionComponent):
    """Salesforce Marketing Cloud: journey history, hour by hour.

    Defines the assets raw/<connection>/journey_history and events/<connection>/journey_history, hourly in UTC, and the
    dimensions journeys and activities, daily. The vendor keeps history for 30 days.

    Set the variables <CONNECTION>_AUTH_URL, <CONNECTION>_REST_URL, <CONNECTION>_CLIENT_ID and
    <CONNECTION>_CLIENT_SECRET. They belong to a server-to-server API integration with the scopes journeys_read and
    list_and_subscribers_read. <CONNECTION>_ACCOUNT_ID selects another business unit than the integration's own.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"salesforce"})

    tolerance: ToleranceSettings = tolerance_setting()
    filters: SfmcFilters = Field(default_factory=SfmcFilters, description=FILTERS)
