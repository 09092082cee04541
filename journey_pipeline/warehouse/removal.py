"""Loaded data that is missing in the lake: a small share is removed; a large one may be a missing disk, and is kept.

A sync keeps what it may not remove, and says so; a warehouse that is made anew takes the place of another only if it
lacks no more than may go. How much that is, `WarehouseSettings.may_go` says. Not here: finding what is gone
(`inventory.py`, `side_files.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from journey_pipeline.errors import WarehouseError
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.inventory import BrokenFile

_HEAL = "restore them, or run `journey-pipeline {command} --remove` to remove them"


def withhold(
    place: str, gone: Iterable[object], loaded: int, settings: WarehouseSettings, broken: list[BrokenFile]
) -> bool:
    """Whether what is gone stays in the warehouse; it is then among what is broken.

    Args:
        gone: What of it is loaded and not in the lake any more.
    """
    number = len(list(gone))
    if settings.may_go(number, loaded):
        return False
    broken.append(
        BrokenFile(place, f"{_lack(number, loaded)}, and stay in the warehouse", _HEAL.format(command="sync"))
    )
    return True


def forbid_loss(
    before: Mapping[str, int], now: Mapping[str, int], broken: Sequence[BrokenFile], settings: WarehouseSettings
) -> None:
    """Refuses a new warehouse that lacks more of the loaded data than may be removed.

    Args:
        before: The census of the one that is there, or that is published.
        now: The census of the one that would take its place.
        broken: What of the lake could not be used for that.

    Raises:
        WarehouseError: If too much is missing.
    """
    missing = {place: of - now.get(place, 0) for place, of in before.items()}
    lost = [
        f"{place}: {_lack(gone, before[place])}"
        for place, gone in sorted(missing.items())
        if gone > 0 and not settings.may_go(gone, before[place])
    ]
    if lost:
        damage = f" The first that can't be used is {broken[0]}." if broken else ""
        raise WarehouseError(
            f"a rebuild would lose loaded data: {'; '.join(lost)}. Nothing has changed; "
            f"{_HEAL.format(command='rebuild')}.{damage}"
        )


def _lack(gone: int, of: int) -> str:
    return f"{gone:,} of {of:,} loaded entries are missing or can't be used"
