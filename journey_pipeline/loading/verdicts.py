"""Which claims about partitions do not hold: judged from the manifests alone, so that it can be asked of all of them.

Not here: what is claimed (`checks.py`), the comparison of an answer with the one before, which reads events
(`partition.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.checks import Claim, Severity, claims, covered
from journey_pipeline.loading.partition import LoadSettings, judge, made_events
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

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
    """Those claims that are so bad."""
    chosen = {window: tuple(c for c in broken if c.severity is severity) for window, broken in found.items()}
    return {window: broken for window, broken in chosen.items() if broken}
