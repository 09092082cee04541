"""The life of an export as the UI shows it: requested, polled, ready, landed; one row for each part of a split one.

The landing shows what its manifest knows, the order what the ledger knows. Not here: when it is recorded
(`recording.py`, `export_assets.py`, `export_sensor.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from journey_pipeline.exports.export import Export
from journey_pipeline.exports.states import ENDED, State
from journey_pipeline.lake.manifest import Attempt
from journey_pipeline.model import Granularity, Window

TIMES = ("requested", "ready", "landed")
COLUMNS = {
    "window": "What it is for, UTC.",
    "asked_for": "What was asked for in this part and not in all of them.",
    "state": "How far it has come.",
    "attempt": "How often it was ordered.",
    "polls": "How often it was polled since it was last ordered.",
    "requested": "When the vendor took it on, UTC.",
    "ready": "When its file was found to be ready, UTC.",
    "landed": "When it had landed, UTC.",
    "error": "What went wrong last.",
    "id": "The vendor's own id.",
}
NAMED = 3

Life = Mapping[str, Any]


def life_of_order(tree: Sequence[Export]) -> dict[str, Any]:
    """How far an order has come, for the metadata of a request.

    Args:
        tree: The export at the top, and all that stand in for it.
    """
    root = tree[0]
    split = {export.parent_id for export in tree}
    parts = sorted((export for export in tree if export.id not in split), key=lambda part: (part.window, part.id))
    lives = [_of_export(part) for part in parts]
    due_at = [part.due_at for part in parts if part.state not in ENDED | {State.STOPPED}]
    rows = lives if len(lives) > 1 else [{**lives[0], "error": None}]  # the error of a single one stands above
    errors = [export.error for export in (root, *parts) if export.error]
    counted = {"failures": sum(export.failures for export in tree), "losses": sum(export.losses for export in tree)}
    return {
        "state": str(root.state),
        "attempt": max(part.attempt for part in parts),
        **_in_short(lives),
        **({"due_at": dg.MetadataValue.timestamp(min(due_at))} if due_at else {}),
        **{name: count for name, count in counted.items() if count},
        **({"error": errors[0]} if errors else {}),
        "export": root.id,
        "exports": _table(rows, [part.request for part in parts]),
    }


def life_of_landing(landed: Attempt) -> dict[str, Any]:
    """What became of the exports that a landing came from; nothing where the vendor had answered at once."""
    lives = [
        {**life, "window": _window(life["window"]), **_read_times(life), "landed": landed.landed_at}
        for life in landed.answers.get("exports", ())
    ]
    return {**_in_short(lives), "exports": _table(lives, landed.request.get("orders", ()))} if lives else {}


def _of_export(export: Export) -> Life:
    return {
        "window": export.window,
        "state": str(export.state),
        "attempt": export.attempt,
        "polls": export.polls,
        "requested": export.requested_at,
        "ready": export.ready_at,
        "landed": export.landed_at,
        "error": export.error,
        "id": export.vendor_export_id,
    }


def _in_short(lives: Sequence[Life]) -> dict[str, Any]:
    """All parts in one: the first to be requested, the last to be ready or to land, and only if none is missing."""
    times = {name: [life[name] for life in lives if life.get(name)] for name in TIMES}
    whole = {
        name: (min if name == TIMES[0] else max)(found) for name, found in times.items() if len(found) == len(lives)
    }
    return {
        "polls": sum(life["polls"] for life in lives),
        **{f"{name}_at": dg.MetadataValue.timestamp(at) for name, at in whole.items()},
    }


def _table(lives: Sequence[Life], requests: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    told = [{**life, "asked_for": only} for life, only in zip(lives, _only_there(requests), strict=True)]
    shown = [name for name in COLUMNS if any(life.get(name) not in {None, ""} for life in told)]
    columns = [
        dg.TableColumn(name, "int" if name in {"attempt", "polls"} else "string", COLUMNS[name]) for name in shown
    ]
    records = [dg.TableRecord({name: _cell(life.get(name)) for name in shown}) for life in told]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _cell(value: Any) -> str | int:
    match value:
        case None:
            return ""
        case Window() if value.partitions(Granularity.DAY) == [value]:
            return value.partition
        case Window():
            to = f"{value.end:%H:%M}" if value.end.date() == value.start.date() else f"{value.end:%m-%d %H:%M}"
            return f"{value.start:%m-%d %H:%M} to {to}"
        case datetime():
            return f"{value:%m-%d %H:%M:%S}"
        case int():
            return value
        case _:
            return str(value)


def _only_there(requests: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells apart parts that may be for the same time, such as a section, by the last part of its name."""
    found = [list(dict.fromkeys(_texts(request))) for request in requests]
    everywhere = set(found[0]).intersection(*found) if found else set()
    differing = [[text.rpartition(".")[2] for text in texts if text not in everywhere] for texts in found]
    return [
        ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED} more" if len(texts) > NAMED else "")
        for texts in differing
    ]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _texts(inner)


def _window(text: str) -> Window:
    start, end = text.split("/")
    return Window(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _read_times(life: Life) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(at) if (at := life.get(f"{name}_at")) else None for name in TIMES[:2]}
