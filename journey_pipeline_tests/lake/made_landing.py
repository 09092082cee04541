"""A lake with landings written by the tests: real gzip files, real manifests."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.lake.landing import AttemptFolder, commit_attempt, name_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile, LandingManifest
from journey_pipeline.model import StreamKey, Window, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.recipe import Recipe
from journey_pipeline_tests.reading import read_parquet

KEY = StreamKey("sfmc", "brand_b", "journey_history")
PARTITION = "2026-11-20T09"
WINDOW = partition_window(PARTITION)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

# A stream small enough to see through: `id` is the key, and without it the whole record.
NOTES = Recipe(
    stream="notes",
    sql="""
        select
          try_cast("At" as timestamptz) as occurred_at,
          'At' as occurred_at_source,
          null as received_at,
          "Who" as contact_id,
          null as email,
          null as journey_id,
          "Text" as journey_name,
          null as journey_version,
          null as enrolment_id,
          null as activity_id,
          null as activity_name,
          null as activity_type,
          null as next_activity_id,
          null as message_id,
          'other' as channel,
          'other' as action,
          "Kind" as vendor_action,
          null as outcome,
          null as reason,
          null as reason_code,
          false as is_test,
          properties,
          lineage,
          case when "Id" is null then ["At", "Who", "Text"] else ["Id"] end as key_fields,
          "Id" is null as key_is_content,
          case when try_cast("At" as timestamptz) is null then 'unreadable time' end as reject_reason
        from landing
    """,
    columns=("Id", "At", "Who", "Text", "Kind"),
    key_columns=("At",),
    properties={"id": "Id"},
)


def as_csv(rows: Sequence[Sequence[str]], header: Sequence[str] = ("Id", "At", "Who", "Text")) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


@dataclass
class MadeLanding:
    """One partition of a lake."""

    home: Path
    recipe: Recipe = NOTES
    attempts: int = 0
    packed: bool = True

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    def land(
        self,
        *bodies: bytes,
        rows: int | Sequence[int] | None = None,
        constants: Mapping[str, str] | None = None,
        estimate_rows: int | None = None,
    ) -> Attempt:
        """Adds one attempt with a file for each body; its rows are counted by the csv module unless given."""
        self.attempts += 1
        now = NOON + timedelta(minutes=self.attempts)
        folder = begin_attempt(self.lake, KEY, WINDOW, now)
        counts = [rows] * len(bodies) if isinstance(rows, int) else rows or [count_records(body) for body in bodies]
        files = []
        for number, body in enumerate(bodies):
            extension = self.recipe.extension if self.packed else self.recipe.extension.removesuffix(".gz")
            content = gzip.compress(body, compresslevel=1, mtime=0) if extension.endswith(".gz") else body
            path = folder.part(number, extension)
            path.write_bytes(content)
            files.append(
                LandedFile(
                    name=path.name,
                    sha256=hashlib.sha256(content).hexdigest(),
                    bytes=len(content),
                    raw_bytes=len(body),
                    rows=counts[number],
                    received_as="gzip",
                )
            )
        attempt = Attempt(
            attempt=folder.name,
            started_at=now,
            landed_at=now,
            package_version="0",
            constants=dict(constants or {}),
            estimate_rows=estimate_rows,
            files=tuple(files),
        )
        commit_attempt(self.lake, KEY, WINDOW, attempt)
        return attempt

    def normalize(self, limits: NormalizeLimits | None = None) -> EventsManifest:
        return normalize(self.lake, KEY, PARTITION, self.recipe, limits)

    def manifest(self) -> LandingManifest:
        found = LandingManifest.read(self.lake.landing_manifest(KEY, PARTITION))
        assert found is not None
        return found

    def landed(self, attempt: Attempt, number: int = 0) -> Path:
        return self.lake.landing_dir(KEY, PARTITION) / attempt.attempt / attempt.files[number].name

    def events(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return read_parquet(self.lake.events_file(KEY, PARTITION), columns)

    def rejects(self, columns: str = "*") -> list[tuple[Any, ...]]:
        path = self.lake.rejects_file(KEY, PARTITION)
        return read_parquet(path, columns) if path.exists() else []

    def files(self) -> dict[str, bytes]:
        """Everything that normalizing writes, by name."""
        events = self.lake.events_file(KEY, PARTITION)
        paths = (events, events.with_suffix(".json"), self.lake.rejects_file(KEY, PARTITION))
        return {path.parent.parent.parent.name + path.suffix: path.read_bytes() for path in paths if path.exists()}


def count_records(body: bytes) -> int:
    """Records by the csv module, which counts them its own way."""
    rows = csv.reader(io.StringIO(body.decode("utf-8-sig", errors="replace"), newline=""))
    return max(0, sum(1 for row in rows if row) - 1)


def begin_attempt(lake: Lake, stream: StreamKey, window: Window, now: datetime) -> AttemptFolder:
    """The empty folder of a new attempt."""
    folder = name_attempt(lake, stream, window, now)
    folder.path.mkdir(parents=True)
    return folder
