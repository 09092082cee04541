"""The lists of Insider that become dimensions, each by the SQL beside this file, all of the same pages."""

import json
from collections.abc import Iterator
from pathlib import Path

from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.vendors.insider.analytics import AnalyticsClient
from journey_pipeline.vendors.insider.client import InsiderClient

_HERE = Path(__file__).parent

JOURNEYS = DimensionRecipe.read(_HERE / "journeys.sql", "journey_id")
ACTIVITIES = DimensionRecipe.read(_HERE / "activities.sql", "activity_id")
EVENT_TYPES = DimensionRecipe.read(_HERE / "event_types.sql", "section", "type_id")
PROFILE_FIELDS = DimensionRecipe.read(_HERE / "profile_fields.sql", "section", "attribute_id")
ALL = (JOURNEYS, ACTIVITIES, EVENT_TYPES, PROFILE_FIELDS)


def pages(client: InsiderClient, analytics: AnalyticsClient | None) -> Iterator[bytes]:
    """All that the account lists, as pages that say what they are; its journeys where there is a key for them."""
    for table in ("events", "contacts"):
        yield _page(table, client.columns(table))
    for journeys in analytics.journey_pages() if analytics else ():
        yield _page("journeys", journeys)


def _page(kind: str, items: object) -> bytes:
    return json.dumps({"kind": kind, "items": items}, ensure_ascii=False).encode()
