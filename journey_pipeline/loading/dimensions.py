"""The vendor's own lists (journeys, activities) into the landing and on into dimensions.

Not here: the routes (`vendors/`), how a dimension's file is kept (`normalize/dimensions.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from journey_pipeline import __version__
from journey_pipeline.errors import LakeError
from journey_pipeline.files import write_bytes
from journey_pipeline.lake.landing import begin_attempt, commit_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandedFile
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
    """Lands a vendor's list as it came, under the UTC day, and folds it into the dimensions.

    Args:
        key: The stream that the list is landed under, such as `sfmc/journeys`.
        pages: The bodies of its pages, JSON.
        recipes: The dimensions that are made of it.

    Returns:
        The number of rows of each dimension, by name.
    """
    started_at = now()
    day = floor(started_at, Granularity.DAY)
    window = Window(day, day + Granularity.DAY.duration)
    folder = begin_attempt(lake, key, window, started_at)
    try:
        files = [_land(folder.part(number, "json.gz"), page) for number, page in enumerate(pages)]
        attempt = Attempt(
            attempt=folder.name,
            started_at=started_at,
            landed_at=now(),
            package_version=__version__,
            files=tuple(files),
        )
        manifest = commit_attempt(lake, key, window, attempt)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
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
