"""Whole partitions of one connection, as many as wanted and each of a few events: landing, events, both manifests.

Not here: partitions of many events and without a landing (`made_lake.py`), what is measured (`contenders/growth.py`).
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from datetime import timedelta

from benchmarks.made_lake import session_of, write_events
from journey_pipeline import __version__
from journey_pipeline.lake.events import describe_parquet, recipe_digest
from journey_pipeline.lake.landing import NOTE
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, LandingManifest
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

_ROWS = 5
_LANDED = gzip.compress(b"Id,TransactionTime\n" + b"1,2026-01-01T00:00:00Z\n" * _ROWS)


def make_partitions(lake: Lake, stream: Stream, windows: Iterable[Window]) -> None:
    """Puts the partitions of some windows in place.

    Nothing waits for the disk: tens of thousands of files that are flushed one by one take an hour.
    """
    recipe = recipe_digest(stream.recipe)
    with session_of(lake) as session:
        for window in windows:
            attempt = _land(lake, stream, window)
            file = lake.events_file(stream.key, window.partition)
            file.parent.mkdir(parents=True, exist_ok=True)
            made = "select $start as start_at, row from range($rows) as made(row)"
            write_events(session, file, window, made, rows=_ROWS, first=window, attempt=attempt.attempt)
            manifest = EventsManifest(
                vendor=stream.key.vendor,
                connection=stream.key.connection,
                stream=stream.key.stream,
                partition=window.partition,
                window=str(window),
                attempts=(attempt.attempt,),
                recipe=recipe,
                package_version=__version__,
                landed_at=attempt.landed_at,
                events=describe_parquet(file, _ROWS),
                landed=_ROWS,
                estimate_rows=_ROWS,
                landing_bytes=len(_LANDED),
            )
            lake.events_manifest(stream.key, window.partition).write_bytes(manifest.content)


def _land(lake: Lake, stream: Stream, window: Window) -> Attempt:
    landed_at = window.end + timedelta(minutes=20)
    attempt = Attempt(
        attempt=f"{landed_at:%Y%m%dT%H%M%S%f}Z-00000000",
        started_at=landed_at,
        landed_at=landed_at,
        package_version=__version__,
        estimate_rows=_ROWS,
        files=(
            LandedFile(
                name="part-0.csv.gz",
                sha256=hashlib.sha256(_LANDED).hexdigest(),
                bytes=len(_LANDED),
                raw_bytes=len(gzip.decompress(_LANDED)),
                rows=_ROWS,
                received_as="gzip",
            ),
        ),
    )
    manifest = LandingManifest(
        vendor=stream.key.vendor,
        connection=stream.key.connection,
        stream=stream.key.stream,
        partition=window.partition,
        window=str(window),
        attempts=(attempt,),
    )
    folder = lake.landing_dir(stream.key, window.partition)
    (folder / attempt.attempt).mkdir(parents=True)
    (folder / attempt.attempt / "part-0.csv.gz").write_bytes(_LANDED)
    (folder / attempt.attempt / NOTE).write_bytes(attempt.content)
    lake.landing_manifest(stream.key, window.partition).write_bytes(manifest.content)
    return attempt
