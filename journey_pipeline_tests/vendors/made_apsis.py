"""Landings of APSIS One written by the tests, and what becomes of them."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journey_pipeline.lake.landing import commit_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest, LandedFile
from journey_pipeline.model import StreamKey, partition_window
from journey_pipeline.normalize.run import normalize
from journey_pipeline.recipe import Recipe
from journey_pipeline.vendors.apsis.profile_events.file import LONGEST_PROFILE_BYTES, ProfileInspector
from journey_pipeline.vendors.csv_answer import CsvInspector
from journey_pipeline_tests.lake.made_landing import begin_attempt
from journey_pipeline_tests.reading import read_parquet

PARTITION = "2026-11-19"
LANDED_AT = datetime(2026, 11, 20, 1, tzinfo=UTC)
DEFINED: Mapping[str, Any] = {
    "1234": {
        "section": "usercreated.sections.main-x1",
        "name": "Main",
        "attributes": {
            "88": {"discriminator": "com.apsis1.attributes.email", "name": "Email", "type": "string"},
            "491874": {"discriminator": "usercreated.attributes.gender-a1", "name": "gender", "type": "string"},
        },
        "tags": {"7731": {"discriminator": "usercreated.tags.vip-2", "name": "VIP"}},
        "events": {
            "5512": {"discriminator": "com.apsis1.events.email-open", "name": "Email opened"},
            "5513": {"discriminator": "com.apsis1.events.ma-entered", "name": "Entered"},
            "5514": {"discriminator": "com.shop.events.order-placed", "name": "Order placed"},
        },
    }
}


@dataclass(frozen=True)
class Normalized:
    """A partition that was landed and normalized."""

    lake: Lake
    key: StreamKey
    manifest: EventsManifest

    def events(self, columns: str = "*") -> list[tuple[Any, ...]]:
        return read(self.lake.events_file(self.key, PARTITION), columns)

    def rejects(self, columns: str = "*") -> list[tuple[Any, ...]]:
        path = self.lake.rejects_file(self.key, PARTITION)
        return read(path, columns) if path.exists() else []


def landed(
    home: Path,
    recipe: Recipe,
    *bodies: bytes,
    answers: Mapping[str, Any] | None = None,
    landed_at: datetime = LANDED_AT,
    longest_profile_bytes: int = LONGEST_PROFILE_BYTES,
) -> Normalized:
    """Lands files as one attempt, counted by the vendor's inspectors, and makes events of them."""
    lake, key, window = Lake(home), StreamKey("apsis", "apsis", recipe.stream), partition_window(PARTITION)
    folder = begin_attempt(lake, key, window, landed_at)
    files = []
    for number, body in enumerate(bodies):
        inspector = ProfileInspector(longest_profile_bytes) if recipe.reader else CsvInspector()
        inspector.feed(body)
        inspector.finish(verified=True)
        content = gzip.compress(body, mtime=0)
        path = folder.part(number, recipe.extension)
        path.write_bytes(content)
        files.append(
            LandedFile(
                name=path.name,
                sha256=hashlib.sha256(content).hexdigest(),
                bytes=len(content),
                raw_bytes=len(body),
                rows=inspector.rows,
                received_as="gzip",
            )
        )
    attempt = Attempt(
        attempt=folder.name,
        started_at=landed_at,
        landed_at=landed_at,
        package_version="0",
        files=tuple(files),
        answers={"definitions": DEFINED} if answers is None else dict(answers),
    )
    commit_attempt(lake, key, window, attempt)
    return Normalized(lake, key, normalize(lake, key, PARTITION, recipe))


def without(*version_ids: str) -> dict[str, Any]:
    """What the account has defined, once it no longer lists some version ids."""
    section = dict(DEFINED["1234"])
    for kind in ("attributes", "tags", "events"):
        section[kind] = {key: one for key, one in section[kind].items() if key not in version_ids}
    return {"definitions": {"1234": section}}


def read(path: Path, columns: str = "*", order: str = "landing_row") -> list[tuple[Any, ...]]:
    return read_parquet(path, columns, order)


def event(**members: Any) -> dict[str, Any]:
    """An event of a profile as documented, with other members."""
    whole = {
        "correlationId": "c-77:1",
        "sourceEventTime": 1_795_075_200_123,
        "typeId": "5512",
        "createdAt": 1_795_075_201_000,
        "data": {},
    }
    return {name: value for name, value in {**whole, **members}.items() if value is not ...}


def profile(events: Sequence[Any], section: str = "1234", **attributes: Any) -> dict[str, Any]:
    """A profile with one section; attributes are named `a88` for the version id 88."""
    held = {name.removeprefix("a"): {"value": value} for name, value in attributes.items()}
    return {"sections": {section: {"attributes": held, "events": list(events)}}}


def export(profiles: Mapping[str, Any], **others: Any) -> bytes:
    """The file of a profile export, on one line."""
    return json.dumps({"profiles": profiles, **others}, ensure_ascii=False, separators=(",", ":")).encode()
