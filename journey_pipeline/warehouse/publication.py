"""What was published last, noted beside the warehouse: which file that is, and what it holds.

The file is recognised by what was put there, since other programs can write into it. Not here: publishing
(`publish.py`), looking whether it is still whole (`soundness.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import Signature
from journey_pipeline.warehouse.removal import take_census
from journey_pipeline.warehouse.schema import EVENTS, has_table, read_revision


@dataclass(frozen=True, slots=True)
class Content:
    """What a warehouse holds.

    Attributes:
        revision: Its state; empty if it has never been synced.
        events: Its events.
        census: What it is made of, by place in the lake.
    """

    revision: str
    events: int
    census: Mapping[str, int]

    @classmethod
    def of(cls, session: duckdb.DuckDBPyConnection) -> Content:
        """What the session's warehouse holds."""
        events = 0
        if has_table(session, EVENTS.name):
            ((events,),) = session.execute(f"select count(*) from {EVENTS.name}").fetchall()
        return cls(read_revision(session), events, take_census(session))


@dataclass(frozen=True, slots=True)
class Publication:
    """A file that was published.

    Attributes:
        file: Which one.
        content: What it holds.
    """

    file: Signature
    content: Content

    def write(self, lake: Lake) -> None:
        """Notes it."""
        write_bytes(publication_note(lake), json.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, lake: Lake) -> Publication | None:
        """The note that was kept, if it can be used."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            noted = json.loads(publication_note(lake).read_bytes())
            inode, changed, size = noted["file"]
            return cls((inode, changed, size), Content(**noted["content"]))
        return None


def publication_note(lake: Lake) -> Path:
    """Where the note lies."""
    return lake.home / "warehouse.published.json"
