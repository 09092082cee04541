"""One person's events as the vendor tells them now, made by the same recipe as the lake's, in a folder of their own.

Nothing of it is kept. Not here: comparing them with the warehouse (`warehouse/contact.py`), showing them (`cli/`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from journey_pipeline import __version__
from journey_pipeline.lake.landing import begin_attempt, commit_attempt
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, EventsManifest
from journey_pipeline.loading.pull import landed_file
from journey_pipeline.model import Window, floor
from journey_pipeline.normalize.run import NormalizeLimits, normalize
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.source import PeopleSource


@dataclass(frozen=True, slots=True)
class Asked:
    """The vendor's data of a person.

    Attributes:
        events: The events' file; gone when the block ends.
        manifest: What it holds.
        since: How far back the answer goes.
        asked_at: When the vendor was asked.
    """

    events: Path
    manifest: EventsManifest
    since: datetime
    asked_at: datetime


@contextmanager
def ask_for_person(
    lake: Lake,
    source: PeopleSource,
    email: str,
    *,
    limits: NormalizeLimits | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Iterator[Asked]:
    """Asks the vendor for a person, for as long as the block runs.

    Args:
        lake: In whose folder for work the answer lies meanwhile.
        limits: What making events may use.

    Raises:
        VendorError: If the vendor's answer stopped it.
        LakeError: If no events can be made of it.
    """
    key, recipe, asked_at = source.stream.key, source.stream.recipe, now()
    start = floor(asked_at, source.stream.granularity)
    window = Window(start, start + source.stream.granularity.duration)
    lake.work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=lake.work_dir, prefix="contact-") as folder:
        scratch = Lake(Path(folder))
        attempt = begin_attempt(scratch, key, window, asked_at)
        part = source.person(email, attempt.part(0, recipe.extension))
        answer = Attempt(
            attempt=attempt.name,
            started_at=asked_at,
            landed_at=now(),
            package_version=__version__,
            files=(landed_file(part),),
        )
        commit_attempt(scratch, key, window, answer)
        manifest = normalize(scratch, key, window.partition, recipe, limits)
        yield Asked(scratch.events_file(key, window.partition), manifest, asked_at - source.person_reach, asked_at)
