"""One person's events as the vendor tells them now, made by the same recipe as the lake's, in a folder of their own.

Nothing of it is kept. Not here: comparing them with the warehouse (`warehouse/contact.py`), showing them (`cli/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.landing import Landing
from journey_pipeline.model import Window, floor
from journey_pipeline.normalize.run import normalize
from journey_pipeline.normalize.session import NormalizeLimits
from journey_pipeline.settings import utc_now
from journey_pipeline.vendors.source import Part, Stream


class PeopleSource(Protocol):
    """A vendor that answers for a single person, at once.

    Attributes:
        person_reach: How far back such an answer goes.
    """

    stream: Stream
    person_reach: timedelta

    def person(self, email: str, to: Path) -> Part:
        """Downloads the vendor's data of a person to a file; for an unknown person, a file without records."""
        ...

    def close(self) -> None:
        """Closes its connections."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """The vendor's data of a person.

    Attributes:
        events: The events' file; gone when the block ends.
        since: How far back the answer goes.
    """

    events: Path
    since: datetime


@contextmanager
def ask_for_person(lake: Lake, source: PeopleSource, email: str, limits: NormalizeLimits) -> Iterator[Asked]:
    """Asks the vendor for a person, for as long as the block runs.

    Args:
        lake: In whose folder for work the answer lies meanwhile.

    Raises:
        VendorError: If the vendor's answer stopped it.
        LakeError: If no events can be made of it.
    """
    key, recipe, asked_at = source.stream.key, source.stream.recipe, utc_now()
    start = floor(asked_at, source.stream.granularity)
    window = Window(start, start + source.stream.granularity.duration)
    lake.work_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=lake.work_dir, prefix="contact-") as folder:
        scratch = Lake(Path(folder))
        with Landing(scratch, key, window, recipe.extension, at=asked_at) as landing:
            landing.take(source.person(email, landing.place.file))
            landing.commit()
        normalize(scratch, key, window.partition, recipe, limits)
        yield Asked(scratch.events_file(key, window.partition), asked_at - source.person_reach)
