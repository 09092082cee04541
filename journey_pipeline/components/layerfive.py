"""The Component of LayerFive.

Apart, as each vendor's, so that another vendor edits no file of this one. Not here: its settings and what they open
(`connections/layerfive.py`), how assets are built (`load_assets.py`).
"""

from typing import ClassVar

from journey_pipeline.components.connection import ConnectionComponent, ToleranceSettings, tolerance_setting
from journey_pipeline.connections.layerfive import LayerFiveConnection


class LayerFiveCustomerJourneys(LayerFiveConnection, ConnectionComponent):
    """LayerFive: customer journeys, as daily deltas that overlap.

    Defines the assets raw/<connection>/customer_journeys and events/<connection>/customer_journeys, daily in UTC. An
    answer holds all events since its day, and the last 90 days of people who became known since. So a range of days is
    one request.

    Set the variables <CONNECTION>_URL and <CONNECTION>_API_KEY.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"layerfive"})

    tolerance: ToleranceSettings = tolerance_setting()
