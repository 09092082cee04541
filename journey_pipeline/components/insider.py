"""The Component of Insider.

Apart, as each vendor's, so that another vendor edits no file of this one. Not here: its settings and what they open
(`connections/insider.py`), how assets are built (`load_assets.py`).
"""

from typing import ClassVar

from journey_pipeline.components.connection import ConnectionComponent, ToleranceSettings, tolerance_setting
from journey_pipeline.connections.insider import InsiderConnection


class InsiderExports(InsiderConnection, ConnectionComponent):
    """Insider: user events, ordered as exports, one a UTC day; the link comes by a call to `journey-pipeline receiver`.

    Defines the assets requests/, raw/ and events/<connection>/user_events, daily in UTC, and the dimensions of the
    account. One sensor orders, and starts the landing of what the vendor has called for. A range of days is one export.

    Set the variables <CONNECTION>_URL, <CONNECTION>_PARTNER_NAME, <CONNECTION>_REQUEST_TOKEN, <CONNECTION>_SEGMENT_ID
    and <CONNECTION>_WEBHOOK_URL. With <CONNECTION>_ANALYTICS_KEY journeys and campaigns have their names. The ledger of
    exports is an SQLite file in the home. JOURNEY_PIPELINE_LEDGER_URL names another database; then set
    JOURNEY_PIPELINE_LINK_KEY too.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"insider"})

    tolerance: ToleranceSettings = tolerance_setting()
