"""What a sync, a rebuild and a publish say that they did.

Not here: how they are shown (`cli/`, `components/`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from journey_pipeline.warehouse.inventory import BrokenFile


@dataclass(slots=True)
class SyncReport:
    """What a sync or a rebuild did.

    Attributes:
        added: Events files that are loaded now and were not.
        replaced: Events files that are loaded with other content now.
        removed: Events files that are gone from the lake and the warehouse.
        unchanged: Events files that are loaded as they were.
        broken: Files that can't be used and what heals each; what was loaded of them stays.
        rows_inserted: Events that went in; the events of a replaced file count, even if they are as before.
        rows_deleted: Events that went out.
        days_touched: Days whose marts were made again.
        rebuilt: Why the warehouse was made from nothing; empty if it was not.
        phases: Seconds by phase: inventory, read, merge, tables, commit, checkpoint.
        seconds: In all, without waiting for another writer.
    """

    added: int = 0
    replaced: int = 0
    removed: int = 0
    unchanged: int = 0
    broken: tuple[BrokenFile, ...] = ()
    rows_inserted: int = 0
    rows_deleted: int = 0
    days_touched: int = 0
    rebuilt: str = ""
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        """What changed, in one line."""
        anew = f"made anew ({self.rebuilt}): " if self.rebuilt else ""
        return (
            f"warehouse {anew}{self.added:,} partitions added, {self.replaced:,} replaced, {self.removed:,} removed; "
            f"{self.rows_inserted:,} events in, {self.rows_deleted:,} out, in {self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What a publish did.

    Attributes:
        published: Whether a new file was put in place; not, if the published one is of this state already.
        bytes: Size of the published file.
        seconds: In all, without waiting for another writer.
        set_aside: How a log is named now that another program had left beside that file or the writer's; empty if
            there was none.
        fault: What was wrong with the file that the new one replaced; empty if nothing.
    """

    published: bool
    bytes: int
    seconds: float
    set_aside: str = ""
    fault: str = ""

    @property
    def mended(self) -> list[str]:
        """What of other programs' work was undone, in a sentence each."""
        said = []
        if self.set_aside:
            said.append(f"another program had left a log beside the warehouse; it is now {self.set_aside}")
        if self.fault:
            said.append(f"found that {self.fault}; put a new copy in its place")
        return said
