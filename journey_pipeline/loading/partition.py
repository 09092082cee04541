"""One partition through all that it goes through: pulled, normalized, its claims judged.

Not here: many partitions at a time (`backfill.py`), what a run of Dagster records of it (`components/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.landing import read_landing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.lake.normalize import NormalizeLimits, is_normalized, normalize
from journey_pipeline.loading.claims import Claim, Tolerance, claims
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream


@dataclass(frozen=True, slots=True)
class PartitionOutcome:
    """What became of one partition.

    Attributes:
        window: Its window.
        landing: Its landing, once landed.
        events: Its events, once normalized.
        claims: What was judged of it.
        pull_s: Seconds that the pull took; 0 if nothing was pulled.
        normalize_s: Seconds that normalizing took.
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
    def rows(self) -> int:
        """Events, or landed rows where nothing was normalized."""
        if self.events:
            return self.events.events.rows
        return sum(file.rows for file in self.landing.attempts[-1].files) if self.landing else 0


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How partitions are loaded.

    Attributes:
        tolerance: When a difference is normal.
        limits: Memory and blocks of the normalizer.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    limits: NormalizeLimits = field(default_factory=NormalizeLimits)


def make_events(
    lake: Lake, stream: Stream, window: Window, settings: LoadSettings, *, always: bool = True
) -> tuple[LandingManifest, EventsManifest]:
    """Makes a landed partition's events, from the landing alone.

    Args:
        lake: Where the partition lies.
        stream: Whose partition it is.
        window: Its window.
        settings: Memory and blocks.
        always: If false, events that are made from exactly this landing, with this recipe, are taken as they are.

    Returns:
        The landing's manifest as it is afterwards, and the events' manifest.

    Raises:
        LakeError: If the partition has not landed, or a landed file is not what the manifest says.
    """
    partition = window.partition
    if read_landing(lake, stream.key, partition) is None:
        raise LakeError(
            f"{stream.key} {partition} has not landed, so there is nothing to normalize. Pull it with "
            f"`journey-pipeline backfill {stream.key} --from {partition} --to ...`."
        )
    events = None if always else made_events(lake, stream, partition)
    events = events or normalize(lake, stream.key, partition, stream.recipe, settings.limits)
    landing = read_landing(lake, stream.key, partition)
    if landing is None:
        raise LakeError(f"the landing manifest of {stream.key} {partition} vanished while its events were made")
    return landing, events


def made_events(lake: Lake, stream: Stream, partition: str) -> EventsManifest | None:
    """The events' manifest, if the events are made from exactly this landing, with this recipe."""
    if not is_normalized(lake, stream.key, partition, stream.recipe):
        return None
    return EventsManifest.read(lake.events_manifest(stream.key, partition))


def judge(landing: LandingManifest, events: EventsManifest, settings: LoadSettings) -> tuple[Claim, ...]:
    """The claims about a partition."""
    return tuple(claims(landing, events, settings.tolerance))
