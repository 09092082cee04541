"""Whole partitions of one connection, as many as wanted and each of a few events: landing, events, both manifests.

Not here: partitions of many events and without a landing (`made_lake.py`), what is measured (`contenders/growth.py`).
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.made_lake import MADE_COLUMNS, session_of
from journey_pipeline import __version__
from journey_pipeline.lake.events import describe_parquet
from journey_pipeline.lake.landing import NOTE
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, LandingManifest
from journey_pipeline.model import Window, iso
from journey_pipeline.vendors.source import Stream

_ROWS = 5
_LANDED = gzip.compress(b"Id,TransactionTime\n" + b"1,2026-01-01T00:00:00Z\n" * _ROWS)


def make_partitions(lake: Lake, stream: Stream, windows: Sequence[Window]) -> None:
    """Puts the partitions of some windows in place, all of one length.

    Nothing waits for the disk, and one statement makes the rows of all files: tens of thousands of files that are
    flushed one by one take an hour, and a statement for each of them takes minutes.
    """
    if not windows:
        return
    attempts = [_land(lake, stream, window) for window in windows]
    rows = _rows(lake, windows, attempts)
    recipe = stream.recipe.digest
    lake.events_file(stream.key, "any").parent.mkdir(parents=True, exist_ok=True)
    for number, (window, attempt) in enumerate(zip(windows, attempts, strict=True)):
        file = lake.events_file(stream.key, window.partition)
        pq.write_table(rows.slice(number * _ROWS, _ROWS), file, compression="zstd", use_dictionary=False)
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


def _rows(lake: Lake, windows: Sequence[Window], attempts: Sequence[Attempt]) -> pa.Table:
    """The rows of all windows, in the order of these."""
    with session_of(lake) as session:
        given = {
            "starts": [iso(window.start) for window in windows],
            "partitions": [window.partition for window in windows],
            "attempts": [attempt.attempt for attempt in attempts],
            "rows": _ROWS,
            "length_us": windows[0].duration // timedelta(microseconds=1),
        }
        session.execute(
            f"create temp table made as select {MADE_COLUMNS} from ("
            "select unnest($starts) as start_at, unnest($partitions) as partition, unnest($attempts) as attempt"
            ") cross join range($rows) as made(row)",
            given,
        )
        rows: pa.Table = session.sql("from made order by partition_key, landing_row").to_arrow_table()
        return rows


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
