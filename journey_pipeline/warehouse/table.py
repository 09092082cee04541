"""A table of the warehouse as it is written down: its name, its columns, what documents them, and what makes it.

Also how an empty one is made after a SELECT. Not here: the tables that there are (`schema.py`, `twins.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from journey_pipeline.model import Column


@dataclass(frozen=True, slots=True)
class Table:
    """A table and what documents it.

    Attributes:
        name: With its schema, such as `core.journeys`.
        comment: What it holds, its grain and key.
        columns: In order. Types are empty where the SELECT gives them.
        sql: The SELECT that makes it; empty for a table that is loaded from files. One that takes `$first_day` and
            `$last_day` gives the rows of those days and is made again only for days that changed; likewise one that
            takes its partitions from `touched_partitions`.
        increment: The SELECT that gives what becomes of the rows that the changed events touch, if there is one.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    sql: str = ""
    increment: str = ""

    @property
    def is_by_day(self) -> bool:
        """Whether it can be made day by day."""
        return "$first_day" in self.sql

    @property
    def is_by_partition(self) -> bool:
        """Whether it is made again for the partitions in `touched_partitions` alone."""
        return "touched_partitions" in self.sql

    @property
    def digest(self) -> str:
        """Changes with anything about it."""
        return hashlib.sha256(
            repr((self.name, self.comment, self.columns, self.sql, self.increment)).encode()
        ).hexdigest()


def create_empty(
    session: duckdb.DuckDBPyConnection,
    name: str,
    select: str,
    parameters: Mapping[str, str] | None = None,
    *,
    temporary: bool = False,
) -> None:
    """Makes an empty table of a SELECT's columns.

    Not by `create table ... as ... limit 0`: if more than a row group of such a table is then inserted at once, DuckDB
    2.0.0 aggregates nothing of it until the file is opened again.

    Args:
        temporary: Whether it is the session's own, and takes the place of one of that name.
    """
    described = session.execute(f"describe from ({select})", parameters).fetchall()
    columns = ", ".join(f'"{column}" {kind}' for column, kind, *_ in described)
    session.execute(f"create {'or replace temp ' if temporary else ''}table {name} ({columns})")
