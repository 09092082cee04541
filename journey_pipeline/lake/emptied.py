"""What is gone of a home: folders that hold nothing of a loaded stream, as where a disk is not mounted, or the ledger.

Not here: a share of a stream's files that is gone, which a sync finds (`warehouse/removal.py`).
"""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.lake.layout import Lake
from journey_pipeline.model import StreamKey

LEDGER_GONE = (
    "the ledger of exports is gone. Restore it from a backup, with the key beside it. Without it, exports under way "
    "are ordered again, and their history is lost"
)


def emptied(lake: Lake, stream: StreamKey) -> str:
    """Which folders of a loaded stream are gone or empty, and what to do; nothing if none is."""
    landing, events = lake.landing_root(stream), lake.events_file(stream, "any").parent
    gone = [f"{lake.relative(_highest(lake, folder))}/" for folder in (landing, events) if not _holds(folder)]
    if not gone:
        return ""
    says = (
        f"{' and '.join(gone)} {'is' if len(gone) == 1 else 'are'} gone or empty, and the warehouse has events of it."
    )
    if _holds(landing):
        return f"{says} Mount its disk. If it is lost, make it again with `journey-pipeline normalize CONNECTION`"
    return f"{says} Mount its disk, or restore it from a backup, before anything else is loaded"


def _highest(lake: Lake, folder: Path) -> Path:
    """The highest folder around an empty one that holds nothing else."""
    while folder.parent != lake.home and not _holds(folder.parent, besides=folder.name):
        folder = folder.parent
    return folder


def _holds(folder: Path, *, besides: str = "") -> bool:
    try:
        return any(one.name != besides for one in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False
