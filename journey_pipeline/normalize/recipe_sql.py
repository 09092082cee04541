"""The SQL around a recipe's: its code tables, and the way from its SELECT to the canonical columns in order and type.

Not here: the statement that writes the file (`staging.py`).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.model import EARLIEST_TIME, END_OF_TIMES, EVENT_COLUMNS, EVENTS_ONLY, StreamKey
from journey_pipeline.recipe import Recipe
from journey_pipeline.sql import literal

_EARLIEST, _END = literal(EARLIEST_TIME), literal(END_OF_TIMES)
BELIEVABLE = f"""
create macro believable(instant) as
  case
    when instant >= {_EARLIEST}::timestamptz and instant < {_END}::timestamptz then instant
  end
"""
"""Makes the function by which every recipe, and the lake after it, takes a vendor's time: NULL if it can't be true."""
_EDGE = "case when regexp_matches(key, '{}') then '\\b' else '' end"
MASKED = f"""
create macro masked(said, key) as
  case
    when key <> '' and contains(lower(said), lower(key))
      then regexp_replace(
        said,
        concat('(?i)', {_EDGE.format("^[0-9A-Za-z_]")}, regexp_escape(key), {_EDGE.format("[0-9A-Za-z_]$")}),
        '*',
        'g'
      )
    else said
  end
"""
"""Makes the function that puts `*` in place of a key in a text that people read, where the key stands by itself."""


def select_events(stream: StreamKey, partition: str, recipe: Recipe, *, for_deduplication: bool = False) -> str:
    """The events of the relation `landing`, in its order.

    Args:
        for_deduplication: Whether `key_is_content` is given as well.
    """
    extra = {"key_is_content": "key_is_content"} if for_deduplication else {}
    columns = _columns({**_event_columns(stream, partition), **extra})
    good = "reject_reason is null and believable(occurred_at) is not null"
    return f"select\n  {columns}\nfrom ({recipe.sql}) as record\nwhere {good}"


def select_rejects(stream: StreamKey, partition: str, recipe: Recipe) -> str:
    """The records of `landing` that are no events: the event columns as far as they could be read, raw text, reason."""
    columns = _event_columns(stream, partition)
    for name in EVENTS_ONLY:
        del columns[name]
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
    scope = literal(json.dumps([stream.connection, stream.stream], ensure_ascii=False, separators=(",", ":")))
    given = {
        # Two JSON arrays, one after the other: quotes and separators inside values are escaped, and null is not "",
        # so that no two keys give the same text.
        "event_key": f"unhex(md5(concat({scope}, to_json(key_fields))))",
        "vendor": literal(stream.vendor),
        "connection": literal(stream.connection),
        "stream": literal(stream.stream),
        "occurred_at": "believable(occurred_at)",
        # By way of microseconds: a cast of a TIMESTAMPTZ asks the calendar of a time zone, at twice the cost.
        "occurred_on": "make_timestamp(epoch_us(believable(occurred_at)))",
        "received_at": "believable(received_at)",
        "reason": "masked(masked(reason, contact_id), email)",
        "properties": (
            "case when received_at is null or believable(received_at) is not null then properties "
            "else json_merge_patch(properties, json_object('received_at', received_at::varchar)) end"
        ),
        "partition_key": literal(partition),
        "landing_file": "lineage.file",
        "landing_row": "lineage.row",
    }
    return {
        column.name: f"({given.get(column.name, column.name)})::{column.type}::{column.file_type}"
        for column in EVENT_COLUMNS
    }


def _columns(expressions: dict[str, str]) -> str:
    return ",\n  ".join(f"{expression} as {name}" for name, expression in expressions.items())


_ANYTHING = "*"
_MEANT_BY_LIKE = re.compile(r"[%_\\]")


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A table of codes.

    Attributes:
        columns: Its columns; the first holds the codes.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def code_column(self) -> str:
        """The column that holds the codes."""
        return self.columns[0]

    @property
    def macro(self) -> str:
        """The statement that makes `name(code)` the row of a code as a STRUCT, or NULL.

        A function and not a join, because a join would take the order of the records from the planner; and a case that
        finds the row's number, which costs less than a lookup in a map.
        """
        rows = ", ".join(self._struct(row) for row in self.rows)
        codes = {row[0]: number for number, row in enumerate(self.rows, start=1)}
        exact = [f"when {literal(code)} then {number}" for code, number in codes.items() if _ANYTHING not in code]
        patterns = [f"when {_matches(code)} then {number}" for code, number in codes.items() if _ANYTHING in code]
        other = f"case {' '.join(patterns)} end" if patterns else "null"
        number = f"case code {' '.join(exact)} else {other} end" if exact else other
        return f"create macro {self.name}(code) as ([{rows}])[{number}]"

    def _struct(self, row: tuple[str, ...]) -> str:
        others = zip(self.columns[1:], row[1:], strict=True)
        return "{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in others) + "}"

    def by(self, column: str) -> CodeTable:
        """The same table with another column as the codes."""
        place = self.columns.index(column)
        return CodeTable(
            f"{self.name}_by_{column}",
            (column, self.code_column),
            tuple({row[place]: (row[place], row[0]) for row in self.rows}.values()),
        )

    def has(self, value: str) -> bool:
        """Whether a value is one of the codes, or fits one that holds a `*`; case aside."""
        value, codes = value.lower(), {row[0].lower() for row in self.rows}
        patterns = (".*".join(map(re.escape, code.split(_ANYTHING))) for code in codes if _ANYTHING in code)
        return value in codes or any(re.fullmatch(pattern, value, re.DOTALL) for pattern in patterns)


def _matches(code: str) -> str:
    """The condition that the macro's argument fits a code that holds a `*`."""
    beginning, *others = code.split(_ANYTHING)
    if others == [""]:
        return f"starts_with(code, {literal(beginning)})"
    parts = (_MEANT_BY_LIKE.sub(r"\\\g<0>", part) for part in (beginning, *others))
    return f"code like {literal('%'.join(parts))} escape '\\'"


def read_codes(paths: Mapping[str, Path], decoded: Mapping[str, str] | None = None) -> list[CodeTable]:
    """Reads a recipe's code tables; those whose values are event columns, by these too.

    Args:
        decoded: The tables of such columns, by column.

    Raises:
        LakeError: If a table is empty, has one column only, or a row of another width.
    """
    tables = {name: _read(name, path) for name, path in paths.items()}
    return [*tables.values(), *(tables[name].by(column) for column, name in (decoded or {}).items())]


def _read(name: str, path: Path) -> CodeTable:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file) if row] or [()]
    if len(header) < 2 or not rows or any(len(row) != len(header) for row in rows):  # noqa: PLR2004 - code and row
        raise LakeError(
            f"the code table {path} needs a header of two columns or more and rows as wide. Correct the file."
        )
    return CodeTable(name, header, tuple(rows))
