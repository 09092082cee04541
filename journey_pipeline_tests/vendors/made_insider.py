"""Exports of Insider written by the tests in each format, and what becomes of them."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from journey_pipeline.lake.landing import commit_attempt, read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile
from journey_pipeline.loading.checks import claims
from journey_pipeline.loading.claims import Claim, Tolerance
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.vendors.insider.user_events.columns import CONTACTS, USER_EVENTS
from journey_pipeline.vendors.insider.user_events.file import ExportInspector, is_packed
from journey_pipeline.vendors.insider.user_events.stream import user_events_stream
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.reading import read_parquet

KEY = StreamKey("insider", "insider", "user_events")
PARTITION = "2026-03-01"
LANDED_AT = datetime(2026, 3, 8, 3, tzinfo=UTC)
ANSWERS = {CONTACTS: {"email": "Email", "c_loyalty_tier": "Loyalty Tier"}}
NUMBERS = {"e_journey_id", "e_campaign_id", "e_action_code", "e_is_dry_run"}
FORMATS = ("csv", "parquet", "json", "ndjson")


def as_format(form: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """A file with some rows; empty values are empty or null, as the format has them, and numbers are floats."""
    typed = [{name: _typed(name, value) for name, value in zip(header, row, strict=True)} for row in rows]
    if form == "csv":
        text = io.StringIO(newline="")
        csv.writer(text).writerows([header, *rows])
        return text.getvalue().encode()
    if form == "parquet":
        kinds = {name: pa.float64() if name in NUMBERS else pa.string() for name in header}
        table = pa.table({name: pa.array([row[name] for row in typed], kind) for name, kind in kinds.items()})
        file = io.BytesIO()
        pq.write_table(table, file, version="1.0", row_group_size=3)
        return file.getvalue()
    if form == "ndjson":
        return b"".join(json.dumps(row).encode() + b"\n" for row in typed)
    return json.dumps(typed).encode()


def _typed(name: str, value: str) -> Any:
    if name not in NUMBERS:
        return value or None
    try:
        return float(value) if value else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Normalized:
    """A partition that was landed and normalized."""

    lake: Lake
    manifest: EventsManifest

    def events(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return read_parquet(self.lake.events_file(KEY, PARTITION), columns)

    def claim(self, name: str) -> Claim:
        landing = read_landing(self.lake, KEY, PARTITION)
        assert landing is not None
        found = claims(user_events_stream("insider", LANDED_AT), landing, self.manifest, Tolerance())
        return next(one for one in found if one.name == name)

    def rejects(self, columns: str = "*") -> list[tuple[Any, ...]]:
        path = self.lake.rejects_file(KEY, PARTITION)
        return read_parquet(path, columns) if path.exists() else []

    def attributes(self, columns: str = "*") -> list[tuple[Any, ...]]:
        path = self.lake.attributes_file(KEY, PARTITION)
        return read_parquet(path, columns) if path.exists() else []


def landed(home: Path, body: bytes, *, answers: Mapping[str, Any] = ANSWERS) -> Normalized:
    """Lands a file as it comes, checked and counted by the vendor's inspector, and makes events of it."""
    lake, window = Lake(home), partition_window(PARTITION)
    folder = begin_attempt(lake, KEY, window, LANDED_AT)
    inspector = ExportInspector()
    inspector.feed(body)
    inspector.finish(verified=True)
    path = folder.part(0, inspector.extension)
    path.write_bytes(gzip.compress(body, mtime=0) if is_packed(body) else body)
    inspector.look(path)
    content = path.read_bytes()
    file = LandedFile(
        name=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
        raw_bytes=len(body),
        rows=inspector.rows,
        received_as="identity",
        columns=inspector.columns,
        window=str(window),
    )
    attempt = Attempt(
        attempt=folder.name,
        started_at=LANDED_AT,
        landed_at=LANDED_AT,
        package_version="0",
        files=(file,),
        request={},
        answers=dict(answers),
    )
    commit_attempt(lake, KEY, window, attempt)
    return Normalized(lake, normalize(lake, KEY, PARTITION, USER_EVENTS))
