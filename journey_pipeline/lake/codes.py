"""Code tables of a recipe: read once, looked up by its SQL, and compared with what the events hold.

Not here: the tables themselves (CSV files beside each vendor's SQL).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.session import quoted

_ANYTHING = "*"
_MEANT_BY_LIKE = re.compile(r"[%_\\]")


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A table of codes.

    Attributes:
        name: What the SQL calls it.
        columns: Its columns; the first holds the codes.
        rows: Its rows.
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
        exact = [f"when {quoted(code)} then {number}" for code, number in codes.items() if _ANYTHING not in code]
        patterns = [f"when {_matches(code)} then {number}" for code, number in codes.items() if _ANYTHING in code]
        other = f"case {' '.join(patterns)} end" if patterns else "null"
        number = f"case code {' '.join(exact)} else {other} end" if exact else other
        return f"create macro {self.name}(code) as ([{rows}])[{number}]"

    def _struct(self, row: tuple[str, ...]) -> str:
        others = zip(self.columns[1:], row[1:], strict=True)
        return "{" + ", ".join(f"{quoted(name)}: {quoted(value)}" for name, value in others) + "}"

    def has(self, value: str) -> bool:
        """Whether a value is one of the codes, or fits one that holds a `*`; case aside."""
        value = value.lower()
        codes = (row[0].lower() for row in self.rows)
        return any(
            re.fullmatch(".*".join(map(re.escape, code.split(_ANYTHING))), value, re.DOTALL) is not None
            for code in codes
        )


def _matches(code: str) -> str:
    """The condition that the macro's argument fits a code that holds a `*`."""
    beginning, *others = code.split(_ANYTHING)
    if others == [""]:
        return f"starts_with(code, {quoted(beginning)})"
    parts = (_MEANT_BY_LIKE.sub(r"\\\g<0>", part) for part in (beginning, *others))
    return f"code like {quoted('%'.join(parts))} escape '\\'"


def read_codes(paths: Mapping[str, Path]) -> list[CodeTable]:
    """Reads a recipe's code tables.

    Raises:
        LakeError: If a table is empty, has one column only, or a row of another width.
    """
    return [_read(name, path) for name, path in paths.items()]


def _read(name: str, path: Path) -> CodeTable:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file) if row] or [()]
    if len(header) < 2 or not rows or any(len(row) != len(header) for row in rows):  # noqa: PLR2004 - code and row
        raise LakeError(
            f"the code table {path} needs a header of two columns or more and rows as wide. Correct the file."
        )
    return CodeTable(name, header, tuple(rows))
