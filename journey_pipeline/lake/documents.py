"""Documents of the lake that the warehouse takes up: what each sweep found, and the listing of exports.

Not here: making them (`loading/`).
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Document
from journey_pipeline.model import CLOCK_DIFFERENCE, StreamKey

_STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z\.json")


class Finding(Document):
    """One partition that is no longer as it landed.

    Attributes:
        kind: `count` if the vendor now says another number of rows, `content` if equal counts hide other rows.
        rows: Rows of the newest landed answer.
        estimate: Rows that the vendor says there are now.
    """

    partition: str
    kind: Literal["count", "content"]
    rows: int
    estimate: int


class DriftReport(Document):
    """One sweep.

    Attributes:
        swept_at: When it ended.
        asked: Partitions whose estimate was asked again.
        compared: Partitions that were downloaded again to compare contents.
        failed: Partitions that could not be asked, and why.
    """

    format: int = 1
    vendor: str
    connection: str
    stream: str
    swept_at: AwareDatetime
    asked: int
    compared: int
    failed: dict[str, str] = Field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


def write_report(lake: Lake, report: DriftReport) -> None:
    """Puts a sweep's report in place."""
    key = StreamKey(report.vendor, report.connection, report.stream)
    report.write(lake.drift_dir(key) / f"{report.swept_at:{_STAMP}}.json")


def newest_report(lake: Lake, key: StreamKey, *, now: datetime) -> DriftReport | None:
    """The report of the last sweep over a stream; None if there was none. One of a clock that was ahead is left out."""
    latest = f"{now + CLOCK_DIFFERENCE:{_STAMP}}"
    reports = sorted(path for path in lake.drift_dir(key).glob("*.json") if is_report(path) and path.stem <= latest)
    return DriftReport.read(reports[-1]) if reports else None


def is_report(path: Path) -> bool:
    """Whether a path is a report's, by its name; what else lies beside those is not ours."""
    return _NAME.fullmatch(path.name) is not None


class ExportListing(Document):
    """The exports of the ledger.

    Attributes:
        exports: The columns of `model.EXPORT_COLUMNS` by name; times as ISO 8601.
    """

    format: int = 1
    exports: tuple[dict[str, int | str | None], ...] = ()


def put_listing(lake: Lake, listing: ExportListing | None) -> bool:
    """Puts a listing in place, if it is another than the one there; None removes it. Gives whether anything changed."""
    path = lake.export_listing
    if listing is None:
        was_there = path.exists()
        path.unlink(missing_ok=True)
        return was_there
    if path.exists() and path.read_bytes() == listing.content:
        return False
    listing.write(path)
    return True
