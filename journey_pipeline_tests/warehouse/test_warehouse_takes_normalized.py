"""The files that the lake's normalizer really writes are the files that the warehouse takes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from journey_pipeline.lake.landing import commit_attempt
from journey_pipeline.lake.manifest import Attempt, LandedFile
from journey_pipeline.model import partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.sfmc.journey_history.stream import JOURNEY_HISTORY
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.warehouse.made_lake import SFMC, MadeLake, rows_of

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
FIVE = "2026-11-01T05"
HEADER = "Id,TransactionTime,ContactKey,Status,DefinitionId,DefinitionName,ActivityId,ActivityName,ActivityType"
CSV = f"""{HEADER}
1,2026-11-01T05:10:00,C-1,Complete,J-1,Welcome,A-1,Mail,EMAILV2
2,yesterday,C-2,Complete,J-1,Welcome,A-1,Mail,EMAILV2
3,2026-11-01T05:20:00,C-3,Complete,J-1,Welcome,A-1,Mail,EMAILV2
3,2026-11-01T05:20:00,C-3,Complete,J-1,Welcome,A-1,Mail,EMAILV2
""".encode()


def land(made: MadeLake, content: bytes, rows: int) -> None:
    window = partition_window(FIVE)
    folder = begin_attempt(made.lake, SFMC, window, window.end)
    file: Path = folder.part(0, "csv.gz")
    file.write_bytes(gzip.compress(content))
    landed = LandedFile(
        name=file.name,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        bytes=file.stat().st_size,
        raw_bytes=len(content),
        rows=rows,
        received_as="gzip",
        columns=tuple(HEADER.split(",")),
    )
    attempt = Attempt(
        attempt=file.parent.name,
        started_at=window.end,
        landed_at=window.end,
        package_version="0.1.0",
        files=(landed,),
    )
    commit_attempt(made.lake, SFMC, window, attempt)


def test_a_normalized_partition_is_loaded_with_its_rejects_and_its_counts(made: MadeLake) -> None:
    land(made, CSV, 4)
    normalize(made.lake, SFMC, FIVE, JOURNEY_HISTORY)
    report = sync(made.lake, SMALL)
    assert report.broken == ()
    file = warehouse_file(made.lake)
    loaded = "select contact_id, occurred_at::varchar, channel, properties ->> 'id' from core.journey_events order by 1"
    assert rows_of(file, loaded) == [
        ("C-1", "2026-11-01 05:10:00+00", "email", "1"),
        ("C-3", "2026-11-01 05:20:00+00", "email", "3"),
    ]
    assert rows_of(file, "select contact_id, reason, landing_row from ops.rejects") == [("C-2", "unreadable time", 2)]
    counts = "select landed, events, rejects, duplicates, loaded, attempts from ops.partitions"
    assert rows_of(file, counts) == [(4, 2, 1, 1, 2, 1)]
    assert compare_with_lake(made.lake, SMALL).problems == []
