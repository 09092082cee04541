"""Many partitions at a time: asked for, landed, made events of, each with an outcome of its own.

A partition that fails does not take the others with it. Not here: which partitions are missing (`plan.py`), what one of
them goes through (`landing.py`, `partition.py`), answers that are ordered (`load_ordered.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import Progress, current_watcher, pull
from journey_pipeline.loading.partition import LandedPartitions, LoadSettings, PartitionOutcome
from journey_pipeline.model import Window, contiguous
from journey_pipeline.settings import normalizers, utc_now
from journey_pipeline.vendors.source import Source, Stream

log = logging.getLogger(__name__)

Opened = TypeVar("Opened")


@dataclass(frozen=True)
class Load(ABC, Generic[Opened]):
    """The options of loading a range of partitions.

    Attributes:
        open: Opens what the vendor is asked through; called only if something has to be asked for.
        kept_since: A partition that has landed since then is not asked for again; None asks for all of them again.
        waits: Whether to wait for answers that the vendor has yet to make.
        now: The clock that retention is measured by.
    """

    lake: Lake
    stream: Stream
    windows: Sequence[Window]
    settings: LoadSettings
    open: Callable[[], Opened]
    pull: bool = True
    normalize: bool = True
    kept_since: datetime | None = None
    waits: bool = True
    now: Callable[[], datetime] = utc_now

    def outcomes(self) -> Iterator[PartitionOutcome]:
        """Loads the partitions and gives each one's outcome as it is finished, in no order.

        An outcome's `error` tells why a partition failed. If the caller stops listening, what is under way ends at the
        next chunk and leaves nothing half-done.
        """
        watcher = current_watcher()
        watcher.planned(str(self.stream.key), len(self.windows))
        self._landed.restore_marks()
        for outcome in self._outcomes():
            watcher.done(outcome.partition, outcome.rows, text_of(outcome.error) if outcome.error else None)
            yield outcome

    @abstractmethod
    def _outcomes(self) -> Iterator[PartitionOutcome]:
        """The outcomes, as they come."""

    @cached_property
    def _landed(self) -> LandedPartitions:
        return LandedPartitions(self.lake, self.stream, self.settings, self.kept_since, self.now)

    def _to_ask(self, windows: Iterable[Window]) -> tuple[list[Window], dict[Window, JourneyError]]:
        """The windows to ask for, and why it can't be told of others: what landed of them is past mending."""
        wanted: list[Window] = []
        errors: dict[Window, JourneyError] = {}
        for window in sorted(windows):
            try:  # what is damaged of it is set aside, whether or not it is asked for
                if not self._landed.is_kept(window) and self.pull:
                    wanted.append(window)
            except JourneyError as error:
                errors[window] = error
        return wanted, errors

    def _finish(self, window: Window, pull_s: float = 0.0) -> PartitionOutcome:
        # Normalizing alone is asked for to make the events anew; after a pull, only where they are not yet made.
        return self._landed.finish(window, pull_s=pull_s, normalize=self.normalize, always=not self.pull)


def failed(windows: Iterable[Window], error: Exception) -> list[PartitionOutcome]:
    """The outcomes of windows that could not be had."""
    return [PartitionOutcome(window, error=error) for window in windows]


@dataclass(frozen=True)
class LoadAtOnce(Load[Source]):
    """Loads partitions of a vendor who answers at once, several at a time: one is normalized while others download.

    Where one answer holds several partitions, it is asked for from the first of them on, and covers the others.
    """

    _stopped: threading.Event = field(default_factory=threading.Event)

    def _outcomes(self) -> Iterator[PartitionOutcome]:
        source = _Opened(self.open)
        at_a_time = normalizers()  # each is bounded in memory by NormalizeLimits
        room = threading.Semaphore(at_a_time)
        # The client's own limit holds downloads back; the threads beyond it make events meanwhile.
        threads = at_a_time + (source.concurrency() if self.pull else 0)
        at_a_time = self.stream.partitions_per_answer if self.pull else 1
        watcher = current_watcher()
        with ThreadPoolExecutor(threads, thread_name_prefix="load") as pool:
            try:
                units = contiguous(self.windows, at_a_time, apart=self.stream.reach.onward)
                futures = {pool.submit(self._load, source, room, unit, watcher): unit for unit in units}
                for future in as_completed(futures):
                    yield from _outcomes_of(future, futures[future])
            finally:
                self._stopped.set()
                pool.shutdown(cancel_futures=True)
                source.close()

    def _load(
        self, source: _Opened, room: threading.Semaphore, windows: Sequence[Window], watcher: Progress
    ) -> list[PartitionOutcome]:
        """Lands the windows with one answer, as far as they have not landed, and makes the events of each."""
        started = time.monotonic()
        wanted, errors = self._to_ask(windows)
        errors |= self._ask(source, wanted, watcher)
        asked = [window for window in wanted if window not in errors]
        pull_s = time.monotonic() - started
        outcomes = []
        for window in sorted(windows):
            if window in errors:
                outcomes += failed([window], errors[window])
                continue
            with room:
                outcomes.append(self._finish(window, pull_s if window in asked[:1] else 0.0))
        return outcomes

    def _ask(self, source: _Opened, wanted: Sequence[Window], watcher: Progress) -> dict[Window, JourneyError]:
        """Lands windows with one answer; gives those that could not be had, and why."""
        at = self.now()
        errors: dict[Window, JourneyError] = {
            window: self._landed.expiry(window, at) for window in wanted if self.stream.is_expired(window, at)
        }
        kept = [window for window in wanted if window not in errors]
        if kept:
            try:
                if source.fault:
                    raise source.fault
                opened = source.get()
                for plan in opened.plans(kept):
                    pull(
                        self.lake,
                        opened,
                        plan,
                        asked_at=at,
                        now=self.now,
                        progress=watcher,
                        stopped=self._stopped.is_set,
                    )
            except JourneyError as error:
                errors |= dict.fromkeys(kept, source.told_once(error))
        return errors


class _Opened:
    """The source, opened when first needed, by one thread.

    Attributes:
        fault: The connection's own, once one is met: nothing more is asked, and all partitions fail by this one error.
    """

    def __init__(self, open_source: Callable[[], Source]) -> None:
        self.fault: JourneyError | None = None
        self._open = open_source
        self._lock = threading.Lock()
        self._opened: Source | JourneyError | None = None

    def get(self) -> Source:
        with self._lock:
            if self._opened is None:
                try:
                    self._opened = self._open()
                except JourneyError as error:
                    self._opened = error
        if isinstance(self._opened, JourneyError):
            raise self._opened
        return self._opened

    def told_once(self, error: JourneyError) -> JourneyError:
        """The error; of several that are the connection's own, the first."""
        with self._lock:
            if error.of_connection and self.fault is None:
                self.fault = error
            return self.fault if self.fault and error.of_connection else error

    def concurrency(self) -> int:
        """How many downloads at a time; 1 if it can't be opened, so that each partition tells why."""
        try:
            return self.get().concurrency
        except JourneyError:
            return 1

    def close(self) -> None:
        if self._opened and not isinstance(self._opened, JourneyError):
            self._opened.close()


def _outcomes_of(future: Future[list[PartitionOutcome]], windows: Sequence[Window]) -> list[PartitionOutcome]:
    try:
        return future.result()
    except Exception as error:
        if not isinstance(error, JourneyError):
            log.exception("partition %s failed unexpectedly", windows[0].partition)
        return failed(windows, error)
