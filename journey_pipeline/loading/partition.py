"""One partition through all that it goes through: kept or asked for again, its events made, its claims judged.

Not here: many partitions at a time (`load.py`), what a run of Dagster records of it (`components/`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from journey_pipeline.errors import JourneyError, LakeError, NotLandedError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake import marks
from journey_pipeline.lake.events import find_damage, is_normalized
from journey_pipeline.lake.landing import lacks_attempts, read_holder, read_landing, restore_landing, set_damaged_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.loading.checks import claims, covered
from journey_pipeline.loading.claims import Claim, Tolerance
from journey_pipeline.model import CLOCK_DIFFERENCE, Window, partition_window, selection
from journey_pipeline.normalize.inspection import Overlap, compare_overlap
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.source import Stream

if TYPE_CHECKING:
    from journey_pipeline.normalize.difference import Difference
    from journey_pipeline.normalize.run import Extent


@dataclass(frozen=True, slots=True)
class PartitionOutcome:
    """The result of one partition.

    Attributes:
        landing: Its landing, once landed; that of the partition that covers it, if one does.
        events: Its events, once normalized; likewise.
        pull_s: Seconds that the pull took; 0 if nothing was pulled.
        error: Why it failed, if it did.
    """

    window: Window
    landing: LandingManifest | None = None
    events: EventsManifest | None = None
    claims: tuple[Claim, ...] = ()
    pull_s: float = 0.0
    normalize_s: float = 0.0
    error: Exception | None = None

    @property
    def partition(self) -> str:
        """The partition's name."""
        return self.window.partition

    @property
    def of_connection(self) -> bool:
        """Whether it failed by a fault of the connection itself, as the others will."""
        return isinstance(self.error, JourneyError) and self.error.of_connection

    @property
    def covered_by(self) -> str | None:
        """The partition whose landing holds this one's, if it has none of its own."""
        return self.landing.partition if self.landing and self.landing.partition != self.partition else None

    @property
    def rows(self) -> int:
        """Events, or landed rows where nothing was normalized; none where another partition holds them."""
        if self.covered_by:
            return 0
        if self.events:
            return self.events.events.rows
        answers = self.landing.active if self.landing else ()
        return answers[-1].rows if answers else 0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How partitions are loaded."""

    tolerance: Tolerance = field(default_factory=Tolerance)
    limits: NormalizeLimits = field(default_factory=NormalizeLimits)


def make_events(
    lake: Lake, stream: Stream, window: Window, settings: LoadSettings, *, always: bool = True
) -> tuple[LandingManifest, EventsManifest]:
    """Makes a landed partition's events from the landing alone; if another one covers it, those of that one.

    Args:
        always: If false, events that are made from exactly this landing, with this recipe, are taken as they are.

    Returns:
        Both manifests, of the landing and of the events, as they are afterwards.

    Raises:
        NotLandedError: If the partition has not landed.
        LakeError: If a landed file is not what the manifest says.
    """
    partition = window.partition
    holder = _holder(lake, stream, partition, always=always)
    events = None
    if not always or holder.partition != partition:  # who covers others is made anew for its own sake, not for each
        events = made_events(lake, stream, holder.partition)
    events = events or _normalize(lake, stream, holder, settings)
    landing = read_landing(lake, stream.key, holder.partition)
    if landing is None:
        raise LakeError(f"the landing manifest of {stream.key} {partition} vanished while its events were made")
    return landing, events


def compare_events(lake: Lake, stream: Stream, window: Window, settings: LoadSettings) -> Difference | None:
    """What making a partition's events again would change; None if another partition's answer holds it.

    Raises:
        JourneyError: If it has not landed, or none of its answers can be read.
    """
    from journey_pipeline.normalize.difference import difference  # noqa: PLC0415 - as in `_normalize`
    from journey_pipeline.normalize.run import NoneReadableError, finished  # noqa: PLC0415 - likewise

    holder = _holder(lake, stream, window.partition, always=True)
    if holder.partition != window.partition:
        return None
    extent = _extent(lake, stream, holder)
    try:
        with finished(lake, stream.key, holder.partition, stream.recipe, settings.limits, **extent) as done:
            return difference(lake, done)
    except NoneReadableError as none:
        raise none.newest from None


def _holder(lake: Lake, stream: Stream, partition: str, *, always: bool) -> LandingManifest:
    holder = read_holder(lake, stream.key, partition) or (
        _set_aside_landing(lake, stream, partition) if always else None
    )
    if holder is None:
        if damage := find_damage(lake, stream.key, partition):
            raise LakeError(f"{stream.key} {partition} has no answer that can be read: {damage}")
        raise NotLandedError(
            f"{stream.key} {partition} has not landed, so there is nothing to normalize. Pull it with "
            f"`journey-pipeline backfill {selection(stream.key, partition_window(partition))}`."
        )
    return holder


def _normalize(lake: Lake, stream: Stream, landing: LandingManifest, settings: LoadSettings) -> EventsManifest:
    from journey_pipeline.normalize.run import normalize  # noqa: PLC0415 - brings Arrow along; a survey makes no events

    extent = _extent(lake, stream, landing)
    return normalize(lake, stream.key, landing.partition, stream.recipe, settings.limits, **extent)


def _extent(lake: Lake, stream: Stream, landing: LandingManifest) -> Extent:
    inside = _inside(stream, landing)
    since = inside.start + stream.reach.back
    return {
        "inside": inside,
        "repeated_from": stream.reach.repeated_from(since, landing.attempts[-1].answered_by),
        "covers": _covered(lake, stream, landing, inside.end),
    }


def _covered(lake: Lake, stream: Stream, landing: LandingManifest, until: datetime) -> list[str]:
    """The partitions after a landing's own that say it holds theirs."""
    end = partition_window(landing.partition).end
    later = Window(end, until).partitions(stream.granularity) if until > end else []
    marks = {window.partition: read_landing(lake, stream.key, window.partition) for window in later}
    return [
        name
        for name, one in marks.items()
        if one and not one.active and one.covered_by == landing.partition and landing.holds(one)
    ]


def _set_aside_landing(lake: Lake, stream: Stream, partition: str) -> LandingManifest | None:
    """A landing none of whose answers could be read until now: this version, or higher limits, may read them."""
    landing = read_landing(lake, stream.key, partition)
    return landing if landing and landing.attempts else None


def made_events(lake: Lake, stream: Stream, partition: str) -> EventsManifest | None:
    """The manifest of the events that hold a partition, if they are made of exactly this landing, by this recipe."""
    holder = read_holder(lake, stream.key, partition)
    if holder is None or not is_normalized(lake, stream.key, holder.partition, stream.recipe):
        return None
    return EventsManifest.read(lake.events_manifest(stream.key, holder.partition))


def judge(
    lake: Lake, stream: Stream, landing: LandingManifest, events: EventsManifest, settings: LoadSettings
) -> tuple[Claim, ...]:
    """The claims about a partition that has answers of its own."""
    overlap = cache(partial(_overlap, lake, stream, landing, settings))
    return tuple(claims(stream, landing, events, settings.tolerance, overlap))


def _inside(stream: Stream, landing: LandingManifest) -> Window:
    """Where the events of a landing may lie: in all that was asked for, and in what its answers reach beyond it."""
    window = partition_window(landing.partition)
    latest = max(attempt.answered_by for attempt in landing.attempts)
    ends = (stream.reach.until(end, latest) for end in (window.end, *_ends(landing)))
    return Window(window.start - stream.reach.back, max(ends) + stream.reach.over)


def _ends(landing: LandingManifest) -> list[datetime]:
    """Where the windows that were asked for end: an export may be for several partitions."""
    asked = [file.window for attempt in landing.attempts for file in attempt.files if file.window]
    return [datetime.fromisoformat(window.partition("/")[2]) for window in asked]


_AGES = timedelta(days=36_500)


def _overlap(lake: Lake, stream: Stream, landing: LandingManifest, settings: LoadSettings) -> Overlap | None:
    """The overlap with the previous partition's answer; None if that was not asked earlier."""
    window = partition_window(landing.partition)
    before = Window(window.start - window.duration, window.start).partition
    earlier = read_holder(lake, stream.key, before)
    if earlier is None or earlier.active[-1].landed_at > landing.active[-1].started_at:
        return None
    made = made_events(lake, stream, earlier.partition)
    if made is None:
        return None
    found = compare_overlap(
        lake,
        stream.key,
        earlier=earlier.partition,
        later=landing.partition,
        since=window.start,
        known_before=window.start - (stream.reach.back - min(stream.reach.ages_after, _AGES)),
        limits=settings.limits,
    )
    return replace(found, mapping=made.mappings[-1] if made.mappings else {})


def lacking_marks(lake: Lake, stream: Stream, *, since: datetime | None = None) -> marks.Lacking:
    """The partitions that others' answers hold and whose mark is lacking, as far as an answer may hold any other."""
    reach = stream.partitions_per_answer
    return marks.lacking_marks(lake, stream.key, most=reach, onward=bool(stream.reach.onward), since=since)


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LandedPartitions:
    """The landed partitions of one stream.

    Attributes:
        kept_since: A partition that has landed since then is not asked for again; None: all are.
        now: The clock. A later answer comes from a clock that was ahead, so its time is unknown.
    """

    lake: Lake
    stream: Stream
    settings: LoadSettings
    kept_since: datetime | None = None
    now: Callable[[], datetime] = utc_now

    def restore_marks(self) -> None:
        """Makes the marks again that are lacking of partitions which lie in others' answers, before anything else."""
        if lacking := lacking_marks(self.lake, self.stream):
            marks.restore_marks(self.lake, self.stream.key, lacking=lacking)

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
        """A partition's events, and the judgement of them; an error is part of the outcome.

        Args:
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
        found = self.stream.expiry(window, now)
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
