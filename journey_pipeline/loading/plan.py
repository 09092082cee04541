"""The state of each partition, from the lake alone: complete, missing, damaged, red or lost for good.

Not here: loading what is missing (`load.py`), which of them a run of Dagster already has in hand (`components/`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from journey_pipeline.errors import LakeError
from journey_pipeline.files import naming_disk_troubles
from journey_pipeline.lake.events import find_damage
from journey_pipeline.lake.landing import (
    answers,
    damaged_parts,
    lacks_attempts,
    read_holder,
    read_landing,
    set_damaged_aside,
)
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.checks import claims, covered
from journey_pipeline.loading.claims import Claim, Severity
from journey_pipeline.loading.memo import UNSEEN, Entry, Memo, judged_by, partitions_in
from journey_pipeline.loading.partition import LoadSettings, judge, lacking_marks, made_events
from journey_pipeline.model import Window, contiguous, floor
from journey_pipeline.vendors.source import Stream

RESERVE = timedelta(hours=24)  # for a person to act
CATCHING_UP_RESERVE = timedelta(hours=2)  # the gap filler takes the oldest first, once an hour
STALLED = timedelta(hours=24)  # so long without an answer for history, none is coming in


class State(enum.Enum):
    """How far a partition has come."""

    COMPLETE = "complete"
    LANDED = "landed"  # but its events are not made from it yet, or something of it is damaged
    MISSING = "missing"
    EXPIRED = "expired"  # missing, and the vendor no longer keeps it
    FUTURE = "future"  # its window has not ended
    EMPTY = "empty"  # no file was dropped for it, and none need be


@dataclass(frozen=True, slots=True)
class Survey:
    """The state of each partition of a span of time, oldest first.

    Attributes:
        damage: What is damaged of those that are not complete: which file, and what heals it.
        red: The claims that do not hold and whose severity is error, of those in the state COMPLETE, where they were
            judged.
    """

    stream: Stream
    states: dict[Window, State]
    now: datetime
    damage: dict[Window, str] = field(default_factory=dict)
    red: dict[Window, tuple[Claim, ...]] = field(default_factory=dict)

    def windows(self, *wanted: State) -> list[Window]:
        """The partitions in any of the states, oldest first."""
        return [window for window, state in self.states.items() if state in wanted]

    def expires_in(self, window: Window) -> timedelta:
        """How long the vendor still keeps a window; negative once it does not."""
        return window.start + self.stream.retention - self.now


def survey(lake: Lake, stream: Stream, span: Window, now: datetime, judging: LoadSettings | None = None) -> Survey:
    """Looks at each partition of a span, and judges complete ones by some settings. Sends no request.

    What was found complete is not looked at again while its files are the same (`memo.py`). Nor is what has no files:
    of a new stream that is most of its history.
    """
    windows = span.partitions(stream.granularity)
    memo = Memo.open(lake, stream)
    known = memo.recall(windows)
    there = partitions_in(lake.landing_root(stream.key)) | partitions_in(lake.events_file(stream.key, "any").parent)
    looked_at = [window for window in windows if window not in known and window.partition in there]
    seen = known | memo.look(looked_at)
    states = {window: State.COMPLETE if window in known else _absence(stream, window, now) for window in windows}
    states |= {window: _state(lake, stream, window, now) for window in looked_at}
    states |= dict.fromkeys(_held_unmarked(lake, stream, states), State.LANDED)
    suspect = [window for window in looked_at if states[window] in {State.LANDED, State.MISSING, State.EXPIRED}]
    damage = {window: found for window in suspect if (found := find_damage(lake, stream.key, window.partition))}
    complete = {window: seen.get(window, UNSEEN) for window, state in states.items() if state is State.COMPLETE}
    red, complete = _judge(lake, stream, complete, judging) if judging else ({}, complete)
    memo.keep({window: entry for window, entry in complete.items() if entry is not known.get(window)})
    return Survey(stream, states, now, damage, red)


def whole_span(stream: Stream, now: datetime) -> Window | None:
    """The span from the stream's first partition to its last whole one; None if there is none yet."""
    end = floor(now, stream.granularity)
    return Window(stream.start, end) if end > stream.start else None


def loads(stream: Stream, windows: Iterable[Window], at_most: int) -> list[list[Window]]:
    """The windows in the lists in which they are loaded: as many as one answer holds are never parted."""
    return contiguous(windows, max(at_most, stream.partitions_per_answer), apart=stream.reach.onward)


def _state(lake: Lake, stream: Stream, window: Window, now: datetime) -> State:
    try:
        holder = read_holder(lake, stream.key, window.partition)
        if holder and made_events(lake, stream, window.partition) and not damaged_parts(lake, holder):
            return State.COMPLETE
    except LakeError:
        return State.LANDED
    if holder or lacks_attempts(lake, stream.key, window.partition):
        return State.LANDED
    return _absence(stream, window, now)


def _absence(stream: Stream, window: Window, now: datetime) -> State:
    return State.FUTURE if window.end > now else State(stream.absence(window, now))


def _held_unmarked(lake: Lake, stream: Stream, states: Mapping[Window, State]) -> list[Window]:
    """The partitions that seem not to have landed, though another one's answer says that it holds them."""
    absent = [window for window, state in states.items() if state in {State.MISSING, State.EXPIRED}]
    if not absent:
        return []
    lacking = lacking_marks(lake, stream, since=min(window.end for window in absent))
    return [window for window in absent if window.partition in lacking]


def _judge(
    lake: Lake, stream: Stream, complete: dict[Window, Entry], settings: LoadSettings
) -> tuple[dict[Window, tuple[Claim, ...]], dict[Window, Entry]]:
    """The errors of complete partitions, and what to remember. Who covers several is judged for the first of them."""
    by = judged_by(stream, settings)
    unjudged = [window for window, entry in complete.items() if entry.judged != by]
    red = of_severity(Severity.ERROR, verdicts(lake, stream, unjudged, settings))
    holders = {complete[window].holder for window in red}
    sound = {
        window: complete[window]._replace(judged=by) for window in unjudged if complete[window].holder not in holders
    }
    return red, complete | sound


def requests_for(stream: Stream, partitions: int) -> int:
    """How many requests it takes, as a rule, to load so many partitions in a row."""
    return math.ceil(partitions / stream.partitions_per_answer) * stream.requests_per_answer


@dataclass(frozen=True, slots=True)
class Gaps:
    """The missing partitions of a stream that the vendor still keeps.

    Attributes:
        missing: Partitions that have not landed, oldest first.
        unfinished: Partitions that have landed and whose events are not made yet, oldest first.
        first: The first partition that has landed; None if none has.
    """

    stream: Stream
    missing: tuple[Window, ...]
    unfinished: tuple[Window, ...]
    now: datetime
    first: Window | None = None

    @classmethod
    def of(cls, found: Survey, now: datetime, *, until: datetime | None = None) -> Gaps:
        """Those that a survey found; with `until`, of missing ones only those that had ended by then."""
        first = next(iter(found.windows(State.COMPLETE, State.LANDED)), None)
        missing = [window for window in found.windows(State.MISSING) if window.end <= (until or now)]
        return cls(found.stream, tuple(missing), tuple(found.windows(State.LANDED)), now, first)

    @property
    def count(self) -> int:
        """How many partitions are not complete."""
        return len(self.missing) + len(self.unfinished)

    @property
    def deleted_in(self) -> timedelta | None:
        """How long the vendor still keeps the oldest missing partition; None if none is missing."""
        return self.missing[0].start + self.stream.retention - self.now if self.missing else None

    def needed(self, requests_per_s: float) -> timedelta:
        """How long it takes at least to ask for all that is missing."""
        return timedelta(seconds=requests_for(self.stream, len(self.missing)) / requests_per_s)

    def settled(self, is_settled: Callable[[Window], bool]) -> Gaps:
        """The same, of unfinished ones only those of a kind: of others the events may just be made."""
        return replace(self, unfinished=tuple(filter(is_settled, self.unfinished)))

    def begun(self, lake: Lake) -> datetime:
        """When loading began: what is missing from before then is no gap while it comes in time.

        While history comes in, by a gap filler that takes the oldest first, it is the time of the first load. Once none
        has come for a day, it is the start of the first landed partition: a hole behind that is a gap.
        """
        if not self.missing:  # and no folders need to be listed
            return self.now
        answered = list(answers(lake, self.stream.key))
        begun = min((at for _, at in answered), default=self.now)
        came = max((at for window, at in answered if window.end <= begun), default=None)
        is_stalled = came is None or self.now - came > STALLED
        return min(begun, self.first.start) if self.first and is_stalled else begun

    def earlier(self, begun: datetime) -> list[Window]:
        """The missing partitions that ended before loading began: no gaps while the gap filler brings them in time."""
        return [window for window in self.missing if window.end <= begun]

    def is_catching_up(self, begun: datetime) -> bool:
        """Whether nothing is missing but what ended before loading began."""
        return not self.unfinished and len(self.earlier(begun)) == len(self.missing)

    def is_urgent(self, requests_per_s: float, begun: datetime) -> bool:
        """Whether the oldest partition may be gone before the backlog is worked off, with a reserve of time."""
        left = self.deleted_in
        reserve = CATCHING_UP_RESERVE if self.is_catching_up(begun) else RESERVE
        return left is not None and left < self.needed(requests_per_s) + reserve

    def next(self, busy: Collection[Window], at_most: int) -> list[Window]:
        """The windows to load next, oldest first, without those under way."""
        wanted = sorted({*self.missing, *self.unfinished} - set(busy))
        return wanted[:at_most]


def find_gaps(lake: Lake, stream: Stream, now: datetime, *, until: datetime | None = None) -> Gaps:
    """Looks for partitions that are not complete and that the vendor still keeps.

    Args:
        until: Only partitions that end by then, such as where the vendor's history is complete; the present if None.
    """
    granularity = stream.granularity
    oldest = floor(now - stream.retention, granularity)
    start = max(stream.start, oldest)
    end = floor(min(now, until or now), granularity)
    if start >= end:
        return Gaps(stream, (), (), now)
    return Gaps.of(survey(lake, stream, Window(start, end), now), now)


Verdicts = Mapping[Window, tuple[Claim, ...]]


def verdicts(
    lake: Lake, stream: Stream, windows: Iterable[Window], settings: LoadSettings, *, with_overlap: bool = False
) -> Verdicts:
    """The claims that do not hold, by partition; what has no events yet, or is damaged, is left out.

    Args:
        windows: Which of them. An answer that covers several is judged once, for the first.
        with_overlap: Whether to compare answers that overlap, too, which reads their events.
    """
    found: dict[Window, tuple[Claim, ...]] = {}
    holders = set()
    for window in sorted(windows):
        try:
            events = made_events(lake, stream, window.partition)
            if events is None or events.partition in holders:
                continue
            holders.add(events.partition)
            landing = read_landing(lake, stream.key, events.partition)
            if landing is None:
                continue
            if with_overlap:
                judged = judge(lake, stream, landing, events, settings)
            else:
                judged = tuple(claims(stream, landing, events, settings.tolerance))
        except LakeError:
            continue  # the survey names what is damaged
        broken = [claim for claim in judged if not claim.holds]
        if events.partition != window.partition:
            broken = [covered(claim, events.partition) for claim in broken]
        if broken:
            found[window] = tuple(broken)
    return found


def of_severity(severity: Severity, found: Verdicts) -> dict[Window, tuple[Claim, ...]]:
    """The claims of a severity."""
    chosen = {window: tuple(c for c in broken if c.severity is severity) for window, broken in found.items()}
    return {window: broken for window, broken in chosen.items() if broken}


_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Inspected:
    """The result of inspecting a stream's landing.

    Attributes:
        hashed: Partitions whose parts were read and hashed.
        damage: What is damaged, by partition: which file, and what heals it.
    """

    hashed: int
    damage: dict[Window, str]


def inspect_landing(lake: Lake, stream: Stream, now: datetime) -> Inspected:
    """Hashes the day's share of a stream's landing and its known damage, and gives all damage of it.

    Damaged answers are set aside, and answers that are whole again count again.

    Args:
        now: The present; its day chooses the share.
    """
    span = whole_span(stream, now)
    if span is None:
        return Inspected(0, {})
    share = [window for window in span.partitions(stream.granularity) if is_due(stream, window, now)]
    # What is damaged may have been put back meanwhile.
    due = sorted({*share, *survey(lake, stream, span, now).damage})
    landed = [window for window in due if lake.landing_manifest(stream.key, window.partition).exists()]
    failed: dict[Window, str] = {}
    for window in landed:
        folder = lake.landing_dir(stream.key, window.partition)
        try:
            with naming_disk_troubles(f"looking at {stream.key} {window.partition}", folder):
                set_damaged_aside(lake, stream.key, window.partition, by_content=True)
        except LakeError as error:
            failed[window] = str(error)
    return Inspected(len(landed), {**failed, **survey(lake, stream, span, now).damage})


def is_due(stream: Stream, window: Window, now: datetime) -> bool:
    """Whether a partition is of the day's share: each twice within the vendor's retention, so that a day may fail."""
    period = max(1, stream.retention // _DAY // 2)
    epoch = datetime.fromtimestamp(0, now.tzinfo)
    return (window.start - epoch) // window.duration % period == (now - epoch) // _DAY % period
