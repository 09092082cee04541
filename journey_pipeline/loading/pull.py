"""One window from the vendor into the landing: estimate, download in as many parts as needed, manifest.

Not here: what makes a download complete (`transport/`, `vendors/`), how a landing is written (`lake/landing.py`), many
windows at a time (`backfill.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from journey_pipeline import __version__
from journey_pipeline.errors import (
    ContractError,
    DamagedAnswerError,
    ExportExpired,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.landing import AttemptFolder, begin_attempt, commit_attempt, mark_covered
from journey_pipeline.lake.layout import Lake, selection_at
from journey_pipeline.lake.manifest import Attempt, LandedFile, LandingManifest
from journey_pipeline.loading.progress import Progress, Silent
from journey_pipeline.model import Window, iso
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.source import Estimate, Part, Stream, WindowedSource

_BELIEVED_DIFFERENCE = timedelta(days=1)  # between the vendor's clock and ours; beyond it, a `Date` is no clock's


class StoppedError(Exception):
    """The work was told to stop; nothing is wrong."""


def is_expired(stream: Stream, window: Window, now: datetime) -> bool:
    """Whether the vendor no longer keeps the window, or not all of it."""
    return window.start < now - stream.retention


def refuse_expired(stream: Stream, window: Window, now: datetime) -> None:
    """Stops before a request for what the vendor no longer keeps: its answer would look like an empty window.

    Raises:
        ExportExpired: If the window is older than the vendor's retention.
    """
    if is_expired(stream, window, now):
        raise expiry(stream, window, now)


def expiry(stream: Stream, window: Window, now: datetime) -> ExportExpired:
    """What is said of a window that the vendor no longer keeps."""
    return ExportExpired(
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
    covers: Sequence[Window] = (),
    asked_at: datetime | None = None,
    now: Callable[[], datetime] = utc_now,
    progress: Progress | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> LandingManifest:
    """Lands one complete answer for a partition's window, beside the answers that are there.

    Args:
        covers: Later partitions that the answer holds too, of an open-ended stream. Those that had ended when it was
            asked for are marked as covered; the others are left as they are.
        asked_at: The instant that the windows were chosen at; the present if None. Retention is measured by it.
        progress: Receives bytes and estimates.
        stopped: Asked between chunks; if true, the work ends with StoppedError and leaves nothing.

    Returns:
        The partition's manifest, with the new attempt last.

    Raises:
        ExportExpired: If the vendor no longer keeps the window; no request is sent.
        VendorError: If the vendor's answer stopped it; nothing has landed.
        LakeError: If the disk refuses, or what is in the landing already can't be read; nothing has landed.
    """
    started_at = asked_at or now()
    refuse_expired(source.stream, window, started_at)
    with naming_disk_troubles(f"landing {source.stream.key} {window.partition}", lake.home):
        folder = begin_attempt(lake, source.stream.key, window, started_at)
        evidence = lake.evidence_dir(source.stream.key, window.partition)
        download = _Download(lake, source, folder, evidence, progress or Silent(), stopped)
        ended = [other for other in covers if other.end <= started_at]
        landing = _land(download, window, ended, started_at, now)
        mark_covered(lake, source.stream.key, ended, by=window, attempt=folder.name)
        return landing


def _land(
    download: _Download, window: Window, covers: Sequence[Window], started_at: datetime, now: Callable[[], datetime]
) -> LandingManifest:
    lake, source, folder = download.lake, download.source, download.folder
    try:
        estimate = source.estimate(window)
        if estimate:
            download.progress.expected(estimate.rows)
        parts = download.whole(window, estimate)
        attempt = Attempt(
            attempt=folder.name,
            started_at=started_at,
            landed_at=(landed_at := now()),
            dated=_dated(parts, landed_at),
            package_version=__version__,
            request=source.request(window),
            constants=source.constants,
            estimate_rows=estimate.rows if estimate else _promised(parts),
            answers={"estimate": dict(estimate.answer)} if estimate else {},
            files=tuple(landed_file(part) for part in parts),
            covers=tuple(other.partition for other in covers),
        )
        return commit_attempt(lake, source.stream.key, window, attempt)
    except BaseException as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        if not isinstance(error, ContractError):
            download.evidence.unlink(missing_ok=True)
        raise


@dataclass(slots=True)
class _Download:
    """The parts of one attempt, numbered as they come."""

    lake: Lake
    source: WindowedSource
    folder: AttemptFolder
    evidence_dir: Path
    progress: Progress
    stopped: Callable[[], bool]
    number: int = 0

    def whole(self, window: Window, estimate: Estimate | None) -> list[Part]:
        """The window as one answer, or in halves where it is too large or is cut off each time.

        A half of what is cut off, however often at the same byte, may come whole. An outage is not helped by halving,
        and neither is a fault of form, which was no cut.
        """
        if estimate and self.source.too_large(estimate):
            return self._halves(window, f"the vendor's limit is below {estimate.rows} rows")
        try:
            return self._pages(window, estimate)
        except TransientVendorError as error:
            if error.status != 200 or isinstance(error, DamagedAnswerError):  # noqa: PLR2004
                raise
            if window.duration <= self.source.shortest_window:
                raise self._last(error) from error
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

    @property
    def evidence(self) -> Path:
        """Where the start of the next part is kept if something is wrong with its content."""
        return self.evidence_dir / f"{self.folder.name}-part-{self.number}.txt"

    def _pages(self, window: Window, estimate: Estimate | None) -> list[Part]:
        pages = [self._part(window, estimate)]
        while pages[-1].next_page:
            pages.append(self._part(window, estimate, after=pages[-1]))
        return pages

    def _part(self, window: Window, estimate: Estimate | None, after: Part | None = None) -> Part:
        try:
            part = self.source.download(
                window,
                self.folder.part(self.number, self.source.stream.recipe.extension),
                estimate=estimate,
                after=after,
                on_bytes=self._received,
                evidence=self.evidence,
            )
        except ContractError as error:
            self._name_evidence(error)
            raise
        self.evidence.unlink(missing_ok=True)  # of an earlier try, or of the larger window that this one is half of
        self.number += 1
        return part

    def _last(self, error: TransientVendorError) -> VendorError:
        """What it means that the shortest window is cut each time.

        There is evidence if the answer's content says so, not the wire: then asking again will hardly help.
        """
        if not self.evidence.exists():
            return error
        broken = ContractError(
            f"{error} Every try gives the same, down to the shortest window: the vendor's file seems broken. Report it "
            "to the vendor.",
            vendor=error.vendor,
            connection=error.connection,
            stream=error.stream,
            window=error.window,
            status=error.status,
        )
        self._name_evidence(broken)
        return broken

    def _name_evidence(self, error: ContractError) -> None:
        kept = self.lake.relative(self.evidence) if self.evidence.exists() else None
        error.evidence = kept
        where = f"Start and end of the answer are kept in {kept}. " if kept else ""
        command = f"journey-pipeline backfill {selection_at(self.folder.path)}"
        error.args = (f"{error} {where}Nothing landed; `{command}` asks for it again.",)

    def _received(self, count: int) -> None:
        if self.stopped():
            raise StoppedError
        self.progress.received(count)


def _dated(parts: Sequence[Part], landed_at: datetime) -> datetime | None:
    """What the vendor's clock said last; None if that is beyond belief."""
    dates = (part.dated for part in parts if part.dated and abs(part.dated - landed_at) <= _BELIEVED_DIFFERENCE)
    return max(dates, default=None)


def _promised(parts: Sequence[Part]) -> int | None:
    """How many records the answer says it has, if it does. The last of several pages may speak of itself alone."""
    last = parts[-1]
    if len(parts) > 1 and (last.promised_rows or 0) <= last.rows:
        return None
    return last.promised_rows


def landed_file(part: Part) -> LandedFile:
    """A downloaded part as the manifest names it."""
    return LandedFile(
        name=part.path.name,
        sha256=part.sha256,
        bytes=part.bytes,
        raw_bytes=part.raw_bytes,
        rows=part.rows,
        received_as=part.received_as,
        counted_at=dict(part.counted_at),
        columns=part.columns,
        window=str(part.window),
    )
