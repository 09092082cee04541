"""Writes what people get to see of the ledger of exports into the lake, for the warehouse to take it from there.

Not here: what that is (`exports/listing.py`), the document (`lake/documents.py`).
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from journey_pipeline.errors import ConfigError, LedgerError
from journey_pipeline.exports.database import is_there, open_ledger
from journey_pipeline.exports.listing import OPS_COLUMNS, listed, rows
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.documents import ExportListing, put_listing
from journey_pipeline.lake.layout import Lake

log = logging.getLogger(__name__)


def list_exports(lake: Lake, url: str) -> bool:
    """Writes the ledger's exports to the listing in the lake; does nothing without a ledger.

    A ledger that can't be read keeps nothing from the analysts: the earlier listing stays, and the log says why.

    Args:
        url: Of the ledger, as `settings.ledger_url()` gives it.

    Returns:
        Whether the listing changed.

    Raises:
        LakeError: If the disk refuses.
    """
    try:
        listing = _read(url) if is_there(url) else None
    except (ConfigError, LedgerError) as error:
        log.warning("ops.exports stays as it was: %s", error)
        return False
    with naming_disk_troubles("listing the exports", lake.home):
        return put_listing(lake, listing)


def _read(url: str) -> ExportListing:
    names = [column.name for column in OPS_COLUMNS]
    with open_ledger(url) as ledger:
        found = rows(listed(ledger, with_ended=True))
    return ExportListing(
        exports=tuple(dict(zip(names, (_as_json(value) for value in row), strict=True)) for row in found)
    )


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
