"""The SQL around a recipe's: from what the vendor's SELECT gives to the canonical columns, in order and type.

Not here: the vendor's SELECT (`vendors/`), running it (`staging.py`).
"""

from __future__ import annotations

import json

from journey_pipeline.lake.session import quoted
from journey_pipeline.model import EVENT_COLUMNS, Recipe, StreamKey

# What the lake itself decides about events; raised when that changes, so that partitions are made again.
RULES = 2

# No vendor is older, and a later year is a mistake. Fixed, and not counted from today: the same landing gives the same
# events whenever they are made. What is in between and yet wrong is seen by the check on the partition's window.
_EARLIEST, _END = "1990-01-01 00:00:00+00", "2100-01-01 00:00:00+00"

BELIEVABLE = f"""
create macro believable(instant) as
  case when instant >= {quoted(_EARLIEST)}::timestamptz and instant < {quoted(_END)}::timestamptz then instant end
"""
"""Makes the function by which every recipe, and the lake after it, takes a vendor's time: NULL if it can't be true."""


def select_events(stream: StreamKey, partition: str, recipe: Recipe, *, for_deduplication: bool = False) -> str:
    """The events of the relation `landing`, in its order.

    Args:
        stream: Whose events.
        partition: The partition that holds them.
        recipe: How records become events.
        for_deduplication: Whether `key_is_content` is given as well.
    """
    extra = {"key_is_content": "key_is_content"} if for_deduplication else {}
    columns = _columns({**_event_columns(stream, partition), **extra})
    good = "reject_reason is null and believable(occurred_at) is not null"
    return f"select\n  {columns}\nfrom ({recipe.sql}) as record\nwhere {good}"


def select_rejects(stream: StreamKey, partition: str, recipe: Recipe) -> str:
    """The records of `landing` that are no events: the event columns as far as they could be read, raw text, reason."""
    columns = _event_columns(stream, partition)
    del columns["reason"]  # an event's own; of a reject it is asked why it is one
    columns["event_key"] = f"(case when lineage.fault is null then {columns['event_key']} end)"
    columns["raw"] = "lineage.raw"
    columns["raw_base64"] = "lineage.raw_base64"
    columns["reason"] = "coalesce(lineage.fault, reject_reason, 'impossible time')"
    return (
        f"select\n  {_columns(columns)}\nfrom ({recipe.sql}) as record\n"
        "where lineage.fault is not null or reject_reason is not null or believable(occurred_at) is null"
    )


def _event_columns(stream: StreamKey, partition: str) -> dict[str, str]:
    """Each event column's expression over what the recipe gives, cast to its type and then to that of files."""
    scope = quoted(json.dumps([stream.connection, stream.stream], ensure_ascii=False, separators=(",", ":")))
    given = {
        # Two JSON arrays, one after the other: quotes and separators inside values are escaped, and null is not "",
        # so that no two keys give the same text.
        "event_key": f"unhex(md5(concat({scope}, to_json(key_fields))))",
        "vendor": quoted(stream.vendor),
        "connection": quoted(stream.connection),
        "stream": quoted(stream.stream),
        "occurred_at": "believable(occurred_at)",
        # By way of microseconds: a cast of a TIMESTAMPTZ asks the calendar of a time zone, at twice the cost.
        "occurred_on": "make_timestamp(epoch_us(believable(occurred_at)))",
        "received_at": "believable(received_at)",
        "properties": (
            "case when received_at is null or believable(received_at) is not null then properties "
            "else json_merge_patch(properties, json_object('received_at', received_at::varchar)) end"
        ),
        "partition_key": quoted(partition),
        "landing_file": "lineage.file",
        "landing_row": "lineage.row",
    }
    return {
        column.name: f"({given.get(column.name, column.name)})::{column.type}::{column.file_type}"
        for column in EVENT_COLUMNS
    }


def _columns(expressions: dict[str, str]) -> str:
    return ",\n  ".join(f"{expression} as {name}" for name, expression in expressions.items())
