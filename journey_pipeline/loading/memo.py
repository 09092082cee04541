"""Which partitions of a stream were found complete, remembered by their files: it holds as long as those stay.

Only what is well is remembered, and only by what files say: what is missing, expired or damaged is looked at each time.
A memo that is lost, damaged or of another version costs time and nothing else. Not here: the finding (`plan.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from journey_pipeline import __version__
from journey_pipeline.errors import LakeError
from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.lake.events import recipe_digest
from journey_pipeline.lake.landing import read_holder
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import Signature, is_settled, present_ns, signature_of
from journey_pipeline.loading.claims import CLAIMS, OPEN_ENDED_CLAIMS
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Window
from journey_pipeline.vendors.source import Stream

_ANY = "\0"


@dataclass(frozen=True, slots=True)
class Entry:
    """A partition that has landed, as it was found before it was looked at.

    Attributes:
        holder: The partition that holds its answers: itself, or the one that covers it.
        parts: The landed files that count, below the holder's landing.
        files: A digest of which files lay there; empty if one is so new that another one may follow and look the same.
        judged: By which settings no error was found in it; empty if it was not judged, or there was one.
    """

    holder: str
    parts: tuple[str, ...]
    files: str
    judged: str = ""


UNSEEN = Entry("", (), "")


@dataclass(slots=True)
class Memo:
    """What is remembered of a stream.

    Attributes:
        lake: Where its partitions lie.
        stream: Which one.
    """

    lake: Lake
    stream: Stream
    _complete: dict[str, Entry] = field(default_factory=dict)
    _changed: bool = False

    @classmethod
    def read(cls, lake: Lake, stream: Stream) -> Memo:
        """The memo as it was kept; an empty one if it can't be used."""
        memo = cls(lake, stream)
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(memo._path.read_bytes())
            if content["of"] == memo._of:
                memo._complete = {
                    partition: Entry(str(holder), tuple(map(str, parts)), str(files), str(judged))
                    for partition, (holder, parts, files, judged) in content["complete"].items()
                }
        return memo

    def recall(self, windows: Iterable[Window]) -> dict[Window, Entry]:
        """The partitions that were found complete and whose files are the same; of others nothing is known any more."""
        places = _Places.of(self.lake, self.stream)
        known = {}
        for window in windows:
            entry = self._complete.get(window.partition)
            if entry and entry.files == _digest(places.sign(window.partition, entry.holder, entry.parts)):
                known[window] = entry
            elif entry:
                del self._complete[window.partition]
                self._changed = True
        return known

    def look(self, windows: Iterable[Window]) -> dict[Window, Entry]:
        """What to keep of partitions if they prove to be complete after this; nothing of those that have not landed."""
        places, found = _Places.of(self.lake, self.stream), {}
        for window in windows:
            with suppress(LakeError):  # the survey says so
                if holder := read_holder(self.lake, self.stream.key, window.partition):
                    parts = tuple(f"{one.attempt}/{file.name}" for one in holder.active for file in one.files)
                    signed = places.sign(window.partition, holder.partition, parts)
                    is_old = all(one is None or is_settled(one, present_ns()) for one in signed)
                    found[window] = Entry(holder.partition, parts, _digest(signed) if is_old else "")
        return found

    def keep(self, complete: Mapping[Window, Entry]) -> None:
        """Remembers partitions that were found complete, for the next time, where the disk allows."""
        for window, entry in complete.items():
            if entry.files and self._complete.get(window.partition) != entry:
                self._complete[window.partition] = entry
                self._changed = True
        if self._changed:
            rows = {name: (one.holder, one.parts, one.files, one.judged) for name, one in self._complete.items()}
            with suppress(OSError):  # the next look then takes longer
                write_bytes(self._path, json.dumps({"of": self._of, "complete": rows}).encode())

    @property
    def _path(self) -> Path:
        return self.lake.survey_memo(self.stream.key)

    @property
    def _of(self) -> str:
        return f"1 {__version__} {recipe_digest(self.stream.recipe)} {self.stream.key.vendor}"


def judged_by(stream: Stream, settings: LoadSettings) -> str:
    """A digest of all that decides, besides the files, which claims hold."""
    claims = [CLAIMS, OPEN_ENDED_CLAIMS, settings.tolerance, stream.open_ended]
    return hashlib.sha256(repr(claims).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class _Places:
    """What stands around a partition's name in the paths of its files: making a path each time takes longer."""

    landing: tuple[str, str]
    manifest: tuple[str, str]
    made: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, lake: Lake, stream: Stream) -> _Places:
        places = (lake.events_manifest, lake.events_file, lake.rejects_file, lake.attributes_file)
        landing, manifest = lake.landing_dir(stream.key, _ANY), lake.landing_manifest(stream.key, _ANY)
        return cls(_around(landing), _around(manifest), tuple(_around(place(stream.key, _ANY)) for place in places))

    def sign(self, partition: str, holder: str, parts: Iterable[str]) -> list[Signature | None]:
        """Which files a partition has now."""
        paths = [holder.join(around) for around in (self.manifest, *self.made)]
        if partition != holder:
            paths.append(partition.join(self.manifest))
        folder = holder.join(self.landing)
        return [_sign(path) for path in (*paths, *(f"{folder}/{part}" for part in parts))]


def _around(path: Path) -> tuple[str, str]:
    before, _, after = str(path).partition(_ANY)
    return before, after


def _sign(path: str) -> Signature | None:
    try:
        return signature_of(os.stat(path))  # noqa: PTH116 - a `Path` takes four times as long
    except OSError:
        return None


def _digest(signed: list[Signature | None]) -> str:
    return hashlib.sha256(repr(signed).encode()).hexdigest()[:32]
