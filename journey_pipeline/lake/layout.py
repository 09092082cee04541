"""Where every file of the lake lies, written once: from stream and partition to path.

Not here: what the files hold (`manifest.py`, `events.py`) or how they are written (`files.py`). No function here
touches the disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.model import StreamKey, is_partition, partition_window, selection


@dataclass(frozen=True, slots=True)
class Lake:
    """The folders under the home. Paths only; nothing is created.

    Attributes:
        home: `JOURNEY_PIPELINE_HOME`.
    """

    home: Path

    def landing_dir(self, stream: StreamKey, partition: str) -> Path:
        """`raw/<connection>/<stream>/<partition>`: the attempts of one partition and its manifest."""
        return self.landing_root(stream) / partition

    def landing_root(self, stream: StreamKey) -> Path:
        """`raw/<connection>/<stream>`: all landed partitions of a stream; absent before the first load."""
        return self.home / "raw" / stream.connection / stream.stream

    def landing_manifest(self, stream: StreamKey, partition: str) -> Path:
        """The partition has landed when this file exists."""
        return self.landing_dir(stream, partition) / "manifest.json"

    def events_file(self, stream: StreamKey, partition: str) -> Path:
        """The canonical events of one partition."""
        return self.home / "events" / stream.connection / stream.stream / f"{partition}.parquet"

    def events_manifest(self, stream: StreamKey, partition: str) -> Path:
        """The manifest of the events file: its content and its sources; written after it."""
        return self.events_file(stream, partition).with_suffix(".json")

    def rejects_file(self, stream: StreamKey, partition: str) -> Path:
        """The records of one partition that could not be typed; absent when there are none."""
        return self.home / "rejects" / stream.connection / stream.stream / f"{partition}.parquet"

    def attributes_file(self, stream: StreamKey, partition: str) -> Path:
        """The attributes of people in one partition's newest answer; absent if there are none."""
        return self.home / "attributes" / stream.connection / stream.stream / f"{partition}.parquet"

    def populations_file(self, stream: StreamKey, partition: str) -> Path:
        """The people whom one partition's files name as those of a journey; absent if there are none."""
        return self.home / "populations" / stream.connection / stream.stream / f"{partition}.parquet"

    def inbox(self, connection: str, what: str) -> Path:
        """Where people or other processes put something for a connection."""
        return self.home / "inbox" / connection / what

    def evidence_dir(self, stream: StreamKey, partition: str) -> Path:
        """Answers that broke the vendor's contract, kept for a person to look at."""
        return self.home / "evidence" / stream.connection / stream.stream / partition

    def drift_dir(self, stream: StreamKey) -> Path:
        """The folder of a stream's sweep reports, one document each."""
        return self.home / "drift" / stream.connection / stream.stream

    def dimension_file(self, connection: str, name: str) -> Path:
        """One dimension of a connection, such as its journeys: the latest of everything ever seen."""
        return self.home / "dimensions" / connection / f"{name}.parquet"

    @property
    def sandbox_mark(self) -> Path:
        """There in a home that simulated vendors fill."""
        return self.home / "of-sandbox"

    @property
    def contacts_root(self) -> Path:
        """Where people put what they know of addresses, a CSV file a connection."""
        return self.home / "contacts"

    @property
    def events_root(self) -> Path:
        """Where the manifests of all events files are found."""
        return self.home / "events"

    @property
    def drift_root(self) -> Path:
        """Where the reports of all sweeps are found."""
        return self.home / "drift"

    @property
    def dimensions_root(self) -> Path:
        """Where all dimension files are found."""
        return self.home / "dimensions"

    @property
    def export_listing(self) -> Path:
        """The public listing of the ledger of exports before the last sync; absent without a ledger."""
        return self.home / "exports" / "ledger.json"

    def survey_memo(self, stream: StreamKey, month: str) -> Path:
        """Complete partitions of a stream's month; may be removed at any time."""
        return self.home / "cache" / "survey" / stream.connection / stream.stream / f"{month}.json"

    @property
    def work_dir(self) -> Path:
        """Temporary files, on the same file system as the lake; anything here may be swept."""
        return self.home / "tmp"

    def relative(self, path: Path) -> str:
        """A path as manifests and messages name it: below the home, with forward slashes."""
        return path.relative_to(self.home).as_posix()


def selection_at(path: Path) -> str:
    """The partition that a file of the lake belongs to, as commands take it; a placeholder if the path shows none."""
    for place in (path, *path.parents):
        partition = place.name.partition(".")[0]
        if is_partition(partition):
            stream = StreamKey("", place.parent.parent.name, place.parent.name)
            return selection(stream, partition_window(partition))
    return "CONNECTION/STREAM"
