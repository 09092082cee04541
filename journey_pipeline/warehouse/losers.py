"""The unchanged partitions that may have to give back a row: those some of whose rows lost to other files'.

When a winner goes, only one of these can hold the same key, so only their files are ever read again. Not here: which
of their rows win then (`contest.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.lake.signature import signature
from journey_pipeline.warehouse.inventory import BrokenFile, Inventory, mismatch
from journey_pipeline.warehouse.loaded import FileKey


@dataclass(slots=True)
class Losers:
    """Unchanged partitions that hold rows which lost.

    Attributes:
        files: Those whose file is the loaded one still, and where it lies.
        unreadable: Those whose file is not; what is lost from them is loaded once they are healed.
    """

    files: dict[FileKey, Path] = field(default_factory=dict)
    unreadable: list[FileKey] = field(default_factory=list)

    def mark_unreadable(self, session: duckdb.DuckDBPyConnection) -> None:
        """Notes that those must be loaded again, even if the same bytes come back."""
        for key in self.unreadable:
            session.execute(
                "update internal.files set events_sha256 = '' "
                "where connection = ? and stream = ? and partition_key = ?",
                [key.connection, key.stream, key.partition],
            )


def find_losers(session: duckdb.DuckDBPyConnection, lake: Lake, inventory: Inventory, moved: set[Path]) -> Losers:
    """Finds them; none if no rows go.

    Args:
        session: On the warehouse.
        lake: Where the files lie.
        inventory: What is about to change; takes those that can't be read as broken.
        moved: Files that are being replaced just now, and had better not be read.
    """
    losers = Losers()
    outgoing = {found.key for found in inventory.replaced} | set(inventory.removed)
    if not outgoing:
        return losers
    rows = session.execute(
        "select connection, stream, partition_key, manifest from internal.files where loaded < events"
    ).fetchall()
    for *names, manifest in rows:
        key = FileKey(*names)
        if key in outgoing:
            continue
        loaded = EventsManifest.model_validate_json(manifest)
        path = lake.events_file(loaded.key, loaded.partition)
        was = signature(path)
        if problem := "it was replaced while it was read" if path in moved else mismatch(path, loaded.events):
            losers.unreadable.append(key)
            inventory.note_broken(BrokenFile(lake.relative(path), problem))
        else:
            losers.files[key] = path
            inventory.seen[path] = was
    return losers
