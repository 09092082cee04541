"""Answers of LayerFive as tests write them: landed as they would be, made events by the real lake."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.lake.landing import commit_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.layerfive.customer_journeys.answers import JourneyInspector
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import customer_journeys_recipe
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.reading import read_parquet

KEY = StreamKey("layerfive", "layerfive", "customer_journeys")
PARTITION = "2026-11-19"
AT = "2026-11-19T08:15:30Z"


def record(**fields: Any) -> dict[str, Any]:
    """A record with a person and a time, unless told otherwise."""
    return {"individual_id": "p-81", "event_time": AT, **fields}


def answer(*records: Any, **members: Any) -> bytes:
    """An answer in the default shape."""
    return json.dumps({"count": len(records), "results": list(records), **members}).encode()


def inspected(body: bytes, *, step: int = 1 << 20, settings: MappingSettings | None = None) -> JourneyInspector:
    """What is seen of a body while it lands."""
    inspector = JourneyInspector(settings)
    for start in range(0, len(body), step):
        inspector.feed(body[start : start + step])
    inspector.finish(verified=True)
    return inspector


@dataclass
class MadeJourneys:
    """One day of a lake."""

    home: Path
    settings: MappingSettings = field(default_factory=MappingSettings)
    attempts: int = 0

    @property
    def lake(self) -> Lake:
        return Lake(self.home)

    def land(self, *bodies: bytes) -> MadeJourneys:
        """Adds one attempt with a file for each body, its records counted as the client counts them."""
        self.attempts += 1
        now = datetime(2026, 11, 20, 2, self.attempts, tzinfo=UTC)
        folder = begin_attempt(self.lake, KEY, partition_window(PARTITION), now)
        files = []
        for number, body in enumerate(bodies):
            content = gzip.compress(body, compresslevel=1, mtime=0)
            path = folder.part(number, "json.gz")
            path.write_bytes(content)
            files.append(
                LandedFile(
                    name=path.name,
                    sha256=hashlib.sha256(content).hexdigest(),
                    bytes=len(content),
                    raw_bytes=len(body),
                    rows=inspected(body, settings=self.settings).rows,
                    received_as="gzip",
                    counted_at=dict(self.settings.places),
                )
            )
        attempt = Attempt(
            attempt=folder.name,
            started_at=now,
            landed_at=now + timedelta(seconds=1),
            package_version="0",
            files=tuple(files),
        )
        commit_attempt(self.lake, KEY, partition_window(PARTITION), attempt)
        return self

    def normalize(self) -> EventsManifest:
        return normalize(self.lake, KEY, PARTITION, customer_journeys_recipe(self.settings))

    def events(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return read_parquet(self.lake.events_file(KEY, PARTITION), columns)

    def rejects(self, columns: str = "*") -> list[tuple[Any, ...]]:
        path = self.lake.rejects_file(KEY, PARTITION)
        return read_parquet(path, columns) if path.exists() else []


def typed(home: Path, *records: Any, **settings: Any) -> MadeJourneys:
    """Lands one answer in the default shape and makes events of it."""
    made = MadeJourneys(home, MappingSettings(**settings)).land(answer(*records))
    made.normalize()
    return made


def one(home: Path, columns: str, entry: Mapping[str, Any], **settings: Any) -> tuple[Any, ...]:
    """Columns of the one event that a record gives."""
    (event,) = typed(home, entry, **settings).events(columns)
    return event
