"""What people get to see of the ledger of exports, as a document of the lake: the warehouse takes it from here.

Not here: the ledger (`exports/`), when it is written (`loading/export_listing.py`).
"""

from __future__ import annotations

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Document


class ExportListing(Document):
    """The exports of the ledger.

    Attributes:
        exports: The columns of `model.EXPORT_COLUMNS` by name; times as ISO 8601.
    """

    format: int = 1
    exports: tuple[dict[str, int | str | None], ...] = ()


def put_listing(lake: Lake, listing: ExportListing | None) -> bool:
    """Puts a listing in place, if it is another than the one there; None takes that away.

    Returns:
        Whether anything changed.
    """
    path = lake.export_listing
    if listing is None:
        was_there = path.exists()
        path.unlink(missing_ok=True)
        return was_there
    if path.exists() and path.read_bytes() == listing.content:
        return False
    listing.write(path)
    return True
