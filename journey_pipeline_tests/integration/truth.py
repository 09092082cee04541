"""What the vendor knows and what the warehouse holds, in the same columns."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from journey_pipeline.model import Granularity, Window, floor
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.projects import NOW
from journey_pipeline_tests.reading import opened

TODAY = floor(NOW, Granularity.DAY)


def hours_ago(first: int, count: int) -> list[Window]:
    """Hours that began so many hours before the present one."""
    start = floor(NOW, Granularity.HOUR) - timedelta(hours=first)
    return Window(start, start + timedelta(hours=count)).partitions(Granularity.HOUR)


def days_ago(first: int, count: int = 1) -> list[Window]:
    """Days that began so many days before the present one."""
    start = TODAY - timedelta(days=first)
    return Window(start, start + timedelta(days=count)).partitions(Granularity.DAY)


def truth(sandbox: Sandbox, windows: list[Window]) -> set[tuple[str, ...]]:
    """What the vendor shows now of some hours, in the columns of `warehouse_rows`."""
    now = sandbox.clock.now()
    return {
        (given["Id"], given["TransactionTime"], given["ContactKey"], given["Status"], given["DefinitionName"])
        for window in windows
        for given in sandbox.sfmc.truth(window, visible_at=now)
    }


def warehouse_rows(home: Path) -> set[tuple[str, ...]]:
    """The published events, in the vendor's spelling; fails if one is there twice."""
    rows = ask(
        home,
        """
        select
            properties ->> '$.id',
            strftime(occurred_at, '%Y-%m-%dT%H:%M:%S.%gZ'),
            contact_id,
            vendor_action,
            coalesce(journey_name, '')
        from core.journey_events
        """,
    )
    assert len(rows) == len(set(rows))
    return set(rows)


def ask(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with opened(home / "journeys.duckdb") as session:
        return session.execute(sql).fetchall()
