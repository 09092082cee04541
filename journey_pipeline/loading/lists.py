"""Lists: the vendor's own (journeys, activities), and the ordered exports.

Not here: the routes (`vendors/`), how a dimension's file is kept (`normalize/dimensions.py`), what people see of an
export (`exports/turns.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from journey_pipeline.errors import ConfigError, LakeError, LedgerError
from journey_pipeline.exports.database import is_there, open_ledger
from journey_pipeline.exports.turns import listed, shown
from journey_pipeline.files import naming_disk_troubles, write_bytes
from journey_pipeline.lake.documents import ExportListing, put_listing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandedFile
from journey_pipeline.loading.landing import Landing
from journey_pipeline.model import Granularity, StreamKey, Window, floor
from journey_pipeline.normalize.dimensions import update_dimension
from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.settings import utc_now


def pull_dimensions(
    lake: Lake,
    key: StreamKey,
    pages: Iterable[bytes],
    recipes: Sequence[DimensionRecipe],
    *,
    now: Callable[[], datetime] = utc_now,
) -> dict[str, int]:
    """Lands a vendor's list as it came, under the UTC day, and folds it into the dimensions; gives each one's rows.

    Args:
        key: The stream that the list is landed under, such as `sfmc/journeys`.
    """
    started_at = now()
    day = floor(started_at, Granularity.DAY)
    window = Window(day, day + Granularity.DAY.duration)
    with Landing(lake, key, window, "json.gz", at=started_at, now=now) as landing:
        files = [_land(landing.folder.part(number, "json.gz"), page) for number, page in enumerate(pages)]
        manifest = landing.commit(files=files)
    newest = manifest.model_copy(update={"attempts": manifest.attempts[-1:]})
    return {recipe.name: update_dimension(lake, [newest], recipe) for recipe in recipes}


def _land(path: Path, page: bytes) -> LandedFile:
    try:
        items = len(json.loads(page)["items"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LakeError(f"a page of {path.parent.parent.parent.name} is not a list of items; nothing landed") from error
    content = gzip.compress(page, mtime=0)
    write_bytes(path, content)
    return LandedFile(
        name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        raw_bytes=len(page),
        rows=items,
        received_as="identity",
    )


log = logging.getLogger(__name__)


def list_exports(lake: Lake, url: str) -> bool:
    """Writes the ledger's exports to the listing in the lake and gives whether it changed; nothing without a ledger.

    If the ledger can't be read, the earlier listing stays, and the log says why.

    Args:
        url: The ledger's, as `settings.ledger_url()` gives it.

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
    with open_ledger(url) as ledger:
        found = [shown(export) for export in listed(ledger, with_ended=True)]
    return ExportListing(exports=tuple({name: _as_json(value) for name, value in row.items()} for row in found))


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
