"""The table of codes: how each vendor's codes are decoded, read from the tables by which events are decoded.

A view over values, made anew when a code table changes, so that it costs a sync nothing. Not here: how a recipe looks a
code up (`normalize/`), the code tables themselves (`vendors/<vendor>/<stream>/codes/`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from journey_pipeline.model import Column
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.table import Table

_VENDORS = Path(__file__).parents[1] / "vendors"
_NAMES = ("vendor_action", "activity_type", "outcome", "kind", "device_class")
_OUTCOMES = {"complete": "complete", "failed": "failed", "otherwise": None}
_CLAIMS = {
    "send": "The vendor attempted to send or to show. It does not say that anything was received.",
    "deliver": "The vendor, or the receiving server, reports that it arrived. It does not say that it was seen.",
    "open": "It was shown. Programs open e-mails too, so it does not say that a person read it.",
}
COLUMNS = (
    Column("vendor", "VARCHAR", "The vendor's short name."),
    Column("stream", "VARCHAR", "The kind of record that has the code."),
    Column("code_table", "VARCHAR", "The table by which it is decoded."),
    Column("place", "BIGINT", "Its place there. The very code counts first, then the first pattern that fits."),
    Column("field", "VARCHAR", "The column of events, or the vendor's field, that has the code."),
    Column("channel_code", "VARCHAR", "The vendor's channel that the code is of, lower case; NULL: of any."),
    Column("channel", "VARCHAR", "The channel, as in core.journey_events; NULL: the code tells none."),
    Column("code", "VARCHAR", "The vendor's code in lower case, or a pattern with * for anything."),
    Column("with_outcome", "VARCHAR", "The vendor's outcome with which the code has this action; NULL: any other."),
    Column("action", "VARCHAR", "The action, as in core.journey_events; NULL: the code tells none."),
    Column("action_claims", "VARCHAR", "What the action claims, where its name may say too much."),
    Column("name", "VARCHAR", "The published name of the code; NULL if the vendor has none."),
    Column("meaning", "VARCHAR", "The vendor's own sentence about it; NULL if it publishes none."),
)


@cache
def codes_table() -> Table:
    """The table `core.codes`."""
    rows = [
        f"({', '.join(map(_literal, row))})" for file in sorted(_VENDORS.glob("*/*/codes/*.csv")) for row in _of(file)
    ]
    columns = ", ".join(f"{column.name}::{column.type} as {column.name}" for column in COLUMNS)
    names = ", ".join(column.name for column in COLUMNS)
    comment = (
        "How the vendors' codes are decoded. Grain: one row per code and outcome of a code table. "
        "Key: vendor, stream, code_table, place, with_outcome."
    )
    return Table(
        "core.codes",
        comment,
        COLUMNS,
        f"select {columns} from (values {', '.join(rows)}) as codes({names})",
        is_view=True,
    )


def _of(file: Path) -> Iterator[tuple[str | int | None, ...]]:
    """The rows of one code table."""
    vendor, stream, table = file.parts[-4], file.parts[-3], file.stem
    channels = {
        row["channel_code"]: row["channel"] for row in _read(file.with_name("channels.csv")) if "channel_code" in row
    }
    for place, row in enumerate(_read(file), start=1):
        field, given = next(iter(row.items()))
        before, _, code = given.rpartition(":")
        channel_code = before if before != "*" else None
        channel = row.get("channel") or channels.get(channel_code or "")
        name = next((row[column] for column in _NAMES if column != field and row.get(column)), None)
        meaning = row.get("meaning") or row.get("reason")
        for outcome, action in _actions(row):
            told = (channel_code or None, channel, code, outcome, action, _CLAIMS.get(action or ""), name, meaning)
            yield vendor, stream, table, place, field, *told


def _actions(row: Mapping[str, str]) -> list[tuple[str | None, str | None]]:
    """The actions that a code stands for, by the outcome that it comes with."""
    with_outcome: list[tuple[str | None, str | None]] = [
        (outcome, row[column]) for column, outcome in _OUTCOMES.items() if column in row
    ]
    return with_outcome or [(None, row.get("action"))]


def _read(file: Path) -> list[dict[str, str]]:
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _literal(value: str | int | None) -> str:
    return "null" if value is None else str(value) if isinstance(value, int) else literal(value)
