"""The sweep that asks the vendor again about what has landed: estimates of settled windows, and a sample of contents.

Equal counts hide a row that changed, so a few windows whose counts agree are downloaded again and compared by content.
The sweep changes nothing but its report. Not here: pulling again what drifted, which is an ordinary load
(`load.py`); the table of findings (`warehouse/`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from journey_pipeline.errors import LakeError, VendorError
from journey_pipeline.lake.documents import DriftReport, Finding, write_report
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.loading.landing import current_watcher
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window, floor
from journey_pipeline.normalize.landed_file import content_digest
from journey_pipeline.settings import utc_now
from journey_pipeline.transport.response import Place
from journey_pipeline.vendors.source import Estimate, Source


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """The settings of a sweep.

    Attributes:
        settled_after: How long ago a window must have ended.
        sample: How many windows whose counts agree are downloaded again.
    """

    settled_after: timedelta = timedelta(hours=6)
    sample: int = 3


def sweep_drift(
    lake: Lake, source: Source, settings: SweepSettings, *, now: Callable[[], datetime] = utc_now
) -> DriftReport:
    """Asks the vendor again about every settled window that has landed and that it still keeps; writes the report.

    Raises:
        VendorError: If the connection itself is at fault: no report is written, since no window was judged.
    """
    started_at = now()
    sweep = _Sweep(lake, source)
    windows = _settled(lake, source, settings, started_at)
    current_watcher().planned(f"{source.stream.key} reconciliation", len(windows))
    for window in windows:
        sweep.ask(window)
    # The day chooses the sample, so that a sweep that is started twice downloads the same windows.
    chosen = random.Random(f"{started_at:%Y-%m-%d}").sample(sweep.agreeing, min(settings.sample, len(sweep.agreeing)))
    for window in sorted(chosen):
        sweep.compare(window)
    key = source.stream.key
    report = DriftReport(
        vendor=key.vendor,
        connection=key.connection,
        stream=key.stream,
        swept_at=now(),
        asked=len(windows),
        compared=len(chosen),
        failed=sweep.failed,
        findings=tuple(sweep.findings),
    )
    write_report(lake, report)
    return report


def _settled(lake: Lake, source: Source, settings: SweepSettings, now: datetime) -> list[Window]:
    stream = source.stream
    start = max(stream.start, floor(now - stream.retention, stream.granularity))
    end = floor(now - settings.settled_after, stream.granularity)
    if start >= end:
        return []
    landed = survey(lake, stream, Window(start, end), now).windows(State.COMPLETE, State.LANDED)
    return [window for window in landed if not stream.is_expired(window, now)]


@dataclass(slots=True)
class _Sweep:
    lake: Lake
    source: Source
    agreeing: list[Window] = field(default_factory=list)
    estimates: dict[Window, Estimate] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def ask(self, window: Window) -> None:
        """Compares what the vendor says a window holds with what landed of it."""
        try:
            estimate, rows = self.source.estimate(window), self._rows(window)
        except (VendorError, LakeError) as error:
            if error.of_connection:
                raise
            self._done(window, error)
            return
        if estimate is None:  # a vendor who can't tell: its answers are compared with each other as they come
            self._done(window)
            return
        self.estimates[window] = estimate
        if estimate.rows == rows:
            self.agreeing.append(window)
        else:
            self._found(window, "count")
        self._done(window)

    def compare(self, window: Window) -> None:
        """Downloads a window once more, to nowhere, and compares its records with the landed ones."""
        if self.source.too_large(self.estimates[window]):
            return
        attempt = self._newest(window)
        folder = self.lake.landing_dir(self.source.stream.key, window.partition) / attempt.attempt
        recipe = self.source.stream.recipe
        self.lake.work_dir.mkdir(parents=True, exist_ok=True)
        try:
            with TemporaryDirectory(dir=self.lake.work_dir) as scratch:
                to = Place(Path(scratch) / f"again.{recipe.extension}")
                part = self.source.download(self.source.plan(window), to, estimate=self.estimates[window])
                again = content_digest([part.path], recipe)
            landed = content_digest([folder / file.name for file in attempt.files], recipe)
        except (VendorError, LakeError) as error:
            if error.of_connection:
                raise
            self.failed[window.partition] = str(error)
            return
        if again != landed:
            self._found(window, "content")

    def _newest(self, window: Window) -> Attempt:
        landing = read_landing(self.lake, self.source.stream.key, window.partition)
        if landing is None or not landing.active:
            raise LakeError(f"{self.source.stream.key} {window.partition} vanished from the landing during the sweep")
        return landing.active[-1]

    def _rows(self, window: Window) -> int:
        return self._newest(window).rows

    def _found(self, window: Window, kind: str) -> None:
        rows, estimate = self._rows(window), self.estimates[window].rows
        self.findings.append(Finding(partition=window.partition, kind=kind, rows=rows, estimate=estimate))

    def _done(self, window: Window, error: Exception | None = None) -> None:
        if error:
            self.failed[window.partition] = str(error)
        current_watcher().done(window.partition, 0, str(error) if error else None)
