"""Partitions that have landed: which of them are kept as they are, and their events with what is judged of them.

Not here: landing them (`backfill.py`, `export_backfill.py`), what one partition's events are made of (`partition.py`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from journey_pipeline.errors import JourneyError, LakeError
from journey_pipeline.lake.covering import restore_marks
from journey_pipeline.lake.disk import naming_disk_troubles
from journey_pipeline.lake.events import find_damage
from journey_pipeline.lake.landing import lacks_attempts, read_holder, read_landing, restore_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.lake.wholeness import set_damaged_aside
from journey_pipeline.loading.claims import covered
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome, judge, make_events
from journey_pipeline.loading.pull import expiry, utc_now
from journey_pipeline.model import CLOCK_DIFFERENCE, Window, partition_window
from journey_pipeline.vendors.source import Stream

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LandedPartitions:
    """The landed partitions of one stream.

    Attributes:
        lake: Where they lie.
        stream: Whose they are.
        settings: Tolerance and limits.
        kept_since: A partition that has landed since then is not asked for again; None: all are.
        now: The clock. An answer from after it is one of a clock that was ahead: nobody knows when it landed.
    """

    lake: Lake
    stream: Stream
    settings: LoadSettings
    kept_since: datetime | None = None
    now: Callable[[], datetime] = utc_now

    def restore_marks(self) -> None:
        """Makes the marks again that are lacking of partitions which lie in others' answers, before anything else."""
        if self.stream.shares_answers:
            restore_marks(self.lake, self.stream.key, onward=self.stream.open_ended is not None)

    def is_kept(self, window: Window) -> bool:
        """Whether a partition need not be asked for. What is damaged of it is healed, or will be made again."""
        existing = self._existing(window)
        if existing is None or not existing.active or self.kept_since is None:
            return False
        landed_at = existing.active[-1].landed_at
        if landed_at > self.now() + CLOCK_DIFFERENCE:
            landed_at = datetime.min.replace(tzinfo=UTC)
        return landed_at >= self.kept_since

    def finish(self, window: Window, *, pull_s: float, normalize: bool, always: bool) -> PartitionOutcome:
        """A partition's events, and what is judged of them; an error is part of the outcome.

        Args:
            window: The partition's window.
            pull_s: How long it took to land it.
            normalize: Whether to make events.
            always: Whether to make them anew even if they are made of exactly this landing.
        """
        try:
            if normalize:
                return self._make(window, pull_s, always=always)
            holder = read_holder(self.lake, self.stream.key, window.partition)
            return PartitionOutcome(window, landing=holder, pull_s=pull_s)
        except JourneyError as error:
            return PartitionOutcome(window, error=error)

    def expiry(self, window: Window, now: datetime) -> JourneyError:
        """Why a partition that the vendor no longer keeps can't be had, and what is damaged of what had landed."""
        found = expiry(self.stream, window, now)
        damage = find_damage(self.lake, self.stream.key, window.partition)
        return LakeError(f"{found} What had landed is {damage}") if damage else found

    def _existing(self, window: Window) -> LandingManifest | None:
        self._mend(window)
        own = read_landing(self.lake, self.stream.key, window.partition)
        if own and own.covered_by and not own.active:
            try:
                self._mend(partition_window(own.covered_by))
            except LakeError as error:
                log.warning("%s %s is asked for by itself: %s", self.stream.key, window.partition, error)
                return None
        return read_holder(self.lake, self.stream.key, window.partition)

    def _mend(self, window: Window) -> None:
        """Sets aside what is damaged of a partition's answers, and makes a manifest again that lacks some of them."""
        folder = self.lake.landing_dir(self.stream.key, window.partition)
        with naming_disk_troubles(f"looking at what landed of {self.stream.key} {window.partition}", folder):
            self._mend_manifest(window)

    def _mend_manifest(self, window: Window) -> None:
        key, partition = self.stream.key, window.partition
        if damage := find_damage(self.lake, key, partition):
            log.warning("%s %s is damaged: %s", key, partition, damage)
        try:
            set_damaged_aside(self.lake, key, partition)
            if lacks_attempts(self.lake, key, partition):
                restore_landing(self.lake, key, window)
        except LakeError:
            restore_landing(self.lake, key, window)
            set_damaged_aside(self.lake, key, partition)

    def _make(self, window: Window, pull_s: float, *, always: bool) -> PartitionOutcome:
        started = time.monotonic()
        landing, events = make_events(self.lake, self.stream, window, self.settings, always=always)
        judged = judge(self.lake, self.stream, landing, events, self.settings)
        if landing.partition != window.partition:
            judged = tuple(covered(claim, landing.partition) for claim in judged)
        return PartitionOutcome(
            window,
            landing=landing,
            events=events,
            claims=judged,
            pull_s=pull_s,
            normalize_s=time.monotonic() - started,
        )
