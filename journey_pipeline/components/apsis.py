"""The Component of APSIS One.

Apart, as each vendor's, so that another vendor edits no file of this one. Not here: its settings and what they open
(`connections/apsis.py`), how assets are built (`load_assets.py`).
"""

from typing import ClassVar

from journey_pipeline.components.connection import ConnectionComponent, ToleranceSettings, tolerance_setting
from journey_pipeline.connections.apsis import ApsisConnection


class ApsisExports(ApsisConnection, ConnectionComponent):
    """APSIS One: profile events and e-mail events, ordered as exports.

    Defines the assets requests/, raw/ and events/<connection>/profile_events and .../email_events, daily in UTC, and
    the dimensions of the account. One sensor orders and polls the exports. A range of days is one export.

    Set the variables <CONNECTION>_URL, <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET. The ledger of exports is
    an SQLite file in the home. JOURNEY_PIPELINE_LEDGER_URL names another database; then set JOURNEY_PIPELINE_LINK_KEY
    too.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"apsis"})

    tolerance: ToleranceSettings = tolerance_setting()
