"""Many partitions at a time: a partition is normalized as soon as it has landed, while the next ones download.

A partition that fails does not take the others with it. Where one answer holds several partitions, it is asked for from
the first of them on, and covers the others. Not here: which partitions are missing (`plan.py`), what one of them goes
through (`pull.py`, `partition.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime

from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading import progress as watching
from journey_pipeline.loading.partition import LandedPartitions, LoadSettings, PartitionOutcome
from journey_pipeline.loading.plan import contiguous
from journey_pipeline.loading.pull import is_expired, pull
from journey_pipeline.model import Window
from journey_pipeline.settings import normalizers, utc_now
from journey_pipeline.vendors.source import Stream, WindowedSource

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backfill:
    """What to do with a range of partitions.

    Attributes:
        lake: Where they lie.
        stream: Whose they are.
        windows: Their windows.
        settings: Tolerance and limits.
        open_source: Opens the vendor's stream; called once, and only if something has to be pulled.
        pull: Whether to pull.
        normalize: Whether to make events.
        kept_since: A partition that has landed since then is not pulled again; None pulls all of them again.
        now: The clock that retention is measured by.
    """

    lake: Lake
    stream: Stream
    windows: Sequence[Window]
    settings: LoadSettings
    open_source: Callable[[], WindowedSource]
    pull: bool = True
    normalize: bool = True
    kept_since: datetime | None = None
    now: Callable[[], datetime] = utc_now
    _stopped: threading.Event = field(default_factory=threading.Event)

    def outcomes(self) -> Iterator[PartitionOutcome]:
        """Loads the partitions and gives each one's outcome as it is finished, in no order.

        An outcome's `error` tells why a partition failed. If the caller stops listening, what is under way ends at the
        next chunk and leaves nothing half-done.
        """
        watcher = watching.current()
        watcher.planned(str(self.stream.key), len(self.windows))
        self._landed.restore_marks()
        source = _Opened(self.open_source)
        at_a_time = normalizers()  # each is bounded in memory by NormalizeLimits
        room = threading.Semaphore(at_a_time)
        # The client's own limit holds downloads back; the threads beyond it make events meanwhile.
        threads = at_a_time + (source.concurrency() if self.pull else 0)
        with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
            try:
                units = contiguous(self.windows, self._at_a_time, apart=self.stream.reach.onward)
                futures = {pool.submit(self._load, source, room, unit, watcher): tuple(unit) for unit in units}
                for future in as_completed(futures):
                    for outcome in _outcomes(future, futures[future]):
                        watcher.done(outcome.partition, outcome.rows, text_of(outcome.error) if outcome.error else None)
                        yield outcome
            finally:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                source.close()

    @property
    def _at_a_time(self) -> int:
        """How many partitions go together: those of one answer, where any is asked for."""
        return self.stream.partitions_per_answer if self.pull else 1

    def _load(
        self, source: _Opened, room: threading.Semaphore, windows: Sequence[Window], watcher: watching.Progress
    ) -> list[PartitionOutcome]:
        """Lands the windows with one answer, as far as they have not landed, and makes the events of each."""
        started = time.monotonic()
        wanted = sorted(window for window in windows if not self._has_landed(window))
        errors = self._ask(source, wanted, watcher)
        asked = [window for window in wanted if window not in errors]
        pull_s = time.monotonic() - started
        return [
            PartitionOutcome(window, error=errors[window])
            if window in errors
            else self._finish(room, window, pull_s if window in asked[:1] else 0.0)
            for window in sorted(windows)
        ]

    def _ask(
        self, source: _Opened, wanted: Sequence[Window], watcher: watching.Progress
    ) -> Mapping[Window, JourneyError]:
        """Lands windows with one answer; gives those that could not be had, and why."""
        asked_at = self.now()
        errors: dict[Window, JourneyError] = {
            window: self._landed.expiry(window, asked_at)
            for window in wanted
            if is_expired(self.stream, window, asked_at)
        }
        kept = [window for window in wanted if window not in errors]
        if kept:
            try:
                pull(
                    self.lake,
                    source.get(),
                    kept[0],
                    covers=kept[1:],
                    asked_at=asked_at,
                    now=self.now,
                    progress=watcher,
                    stopped=self._stopped.is_set,
                )
            except JourneyError as error:
                errors |= dict.fromkeys(kept, error)
        return errors

    def _finish(self, room: threading.Semaphore, window: Window, pull_s: float) -> PartitionOutcome:
        with room:
            # Normalizing alone is asked for to make the events anew; after a pull, only where they are not yet made.
            return self._landed.finish(window, pull_s=pull_s, normalize=self.normalize, always=not self.pull)

    def _has_landed(self, window: Window) -> bool:
        """Whether nothing is to be asked for: nothing may be, or what is there is kept."""
        is_kept = self._landed.is_kept(window)
        return is_kept or not self.pull

    @property
    def _landed(self) -> LandedPartitions:
        return LandedPartitions(self.lake, self.stream, self.settings, self.kept_since, self.now)


class _Opened:
    """The source, opened when first needed, by one thread."""

    def __init__(self, open_source: Callable[[], WindowedSource]) -> None:
        self._open = open_source
        self._lock = threading.Lock()
        self._source: WindowedSource | None = None
        self._error: JourneyError | None = None

    def get(self) -> WindowedSource:
        with self._lock:
            if self._error:
                raise self._error
            if self._source is None:
                try:
                    self._source = self._open()
                except JourneyError as error:
                    self._error = error
                    raise
            return self._source

    def concurrency(self) -> int:
        """How many downloads at a time; 1 if it can't be opened, so that each partition tells why."""
        try:
            return self.get().concurrency
        except JourneyError as error:
            log.warning("%s", error)
            return 1

    def close(self) -> None:
        if self._source:
            self._source.close()


def _outcomes(future: Future[list[PartitionOutcome]], windows: Sequence[Window]) -> list[PartitionOutcome]:
    try:
        return future.result()
    except JourneyError as error:
        return [PartitionOutcome(window, error=error) for window in windows]
    except Exception as error:
        log.exception("partition %s failed unexpectedly", windows[0].partition)
        return [PartitionOutcome(window, error=error) for window in windows]
