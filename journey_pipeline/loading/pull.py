"""One window from the vendor into the landing: estimate, download in as many parts as needed, manifest.

Not here: what makes a download complete (`transport/`, `vendors/`), how a landing is written (`lake/landing.py`), many
windows at a time (`backfill.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from journey_pipeline import __version__
from journey_pipeline.errors import ExportExpired, PermanentVendorError, TransientVendorError
from journey_pipeline.lake.landing import AttemptFolder, begin_attempt, commit_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandedFile, LandingManifest
from journey_pipeline.loading.progress import Progress, Silent
from journey_pipeline.model import Window, iso
from journey_pipeline.vendors.source import Estimate, Part, Stream, WindowedSource


class StoppedError(Exception):
    """The work was told to stop; nothing is wrong."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def is_expired(stream: Stream, window: Window, now: datetime) -> bool:
    """Whether the vendor no longer keeps the window, or not all of it."""
    return window.start < now - stream.retention


def refuse_expired(stream: Stream, window: Window, now: datetime) -> None:
    """Stops before a request for what the vendor no longer keeps: its answer would look like an empty window.

    Raises:
        ExportExpired: If the window is older than the vendor's retention.
    """
    if is_expired(stream, window, now):
        raise ExportExpired(
            f"{stream.key} {window}: the vendor keeps history from {iso(now - stream.retention)} on, so this window "
            "can no longer be downloaded. Nothing was asked and nothing landed.",
            vendor=stream.key.vendor,
            connection=stream.key.connection,
            stream=stream.key.stream,
            window=str(window),
        )


def pull(
    lake: Lake,
    source: WindowedSource,
    window: Window,
    *,
    now: Callable[[], datetime] = utc_now,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> LandingManifest:
    """Lands one complete answer for a partition's window, beside the answers that are there.

    Args:
        lake: Where it lands.
        source: The vendor's stream.
        window: The partition's window.
        now: The clock that retention is measured by.
        progress: Who is told of bytes and estimates.
        stopped: Asked between chunks; if true, the work ends with StoppedError and leaves nothing.

    Returns:
        The partition's manifest, with the new attempt last.

    Raises:
        ExportExpired: If the vendor no longer keeps the window; no request is sent.
        VendorError: If the vendor's answer stopped it; nothing has landed.
    """
    stream = source.stream
    refuse_expired(stream, window, now())
    started_at = now()
    folder = begin_attempt(lake, stream.key, window, started_at)
    evidence = lake.evidence_dir(stream.key, window.partition)
    download = _Download(source, folder, evidence, progress or Silent(), stopped)
    try:
        estimate = source.estimate(window)
        download.progress.expected(estimate.rows)
        parts = download.whole(window, estimate)
        attempt = Attempt(
            attempt=folder.name,
            started_at=started_at,
            landed_at=now(),
            package_version=__version__,
            request=source.request(window),
            constants=source.constants,
            estimate_rows=estimate.rows,
            answers={"estimate": dict(estimate.answer)},
            files=tuple(_landed(part) for part in parts),
        )
        return commit_attempt(lake, stream.key, window, attempt)
    except BaseException:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise


@dataclass(slots=True)
class _Download:
    """The parts of one attempt, numbered as they come."""

    source: WindowedSource
    folder: AttemptFolder
    evidence: Path
    progress: Progress
    stopped: Callable[[], bool]
    number: int = 0

    def whole(self, window: Window, estimate: Estimate) -> list[Part]:
        """The window in one part, or in the parts of its halves where it is too large or is cut off each time."""
        if self.source.too_large(estimate):
            return self._halves(window, f"the vendor's limit is below {estimate.rows} rows")
        try:
            return [self._part(window, estimate)]
        except TransientVendorError as error:
            # A window that is cut off on every try may be too much for the vendor; an outage is not helped by halving.
            if error.status != 200 or window.duration <= self.source.shortest_window:  # noqa: PLR2004
                raise
            return self._halves(window, "every download of it was cut off")

    def _halves(self, window: Window, why: str) -> list[Part]:
        if window.duration <= self.source.shortest_window:
            raise PermanentVendorError(
                f"{self.source.stream.key} {window} can't be made smaller and {why}. Set filters in defs.yaml, such as "
                "one connection for each group of journeys.",
                vendor=self.source.stream.key.vendor,
                connection=self.source.stream.key.connection,
                stream=self.source.stream.key.stream,
                window=str(window),
            )
        return [part for half in window.halves() for part in self.whole(half, self.source.estimate(half))]

    def _part(self, window: Window, estimate: Estimate) -> Part:
        part = self.source.download(
            window,
            self.folder.part(self.number, "csv.gz"),
            estimate=estimate,
            on_bytes=self._received,
            evidence=self.evidence / f"{self.folder.name}-part-{self.number}.txt",
        )
        self.number += 1
        return part

    def _received(self, count: int) -> None:
        if self.stopped():
            raise StoppedError
        self.progress.received(count)


def _landed(part: Part) -> LandedFile:
    return LandedFile(
        name=part.path.name,
        sha256=part.sha256,
        bytes=part.bytes,
        raw_bytes=part.raw_bytes,
        rows=part.rows,
        received_as=part.received_as,
        columns=part.columns,
        window=str(part.window),
    )
