"""One stream's way from the sandbox to the warehouse in one home, and what it must be compared with.

Not here: which stream (`streams.py`), what must be true (the tests).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from journey_pipeline.errors import VendorError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.partition import PartitionOutcome
from journey_pipeline.model import Window
from journey_pipeline.sandbox.calls import Call
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.contract.declaration import ContractStream, Rows
from journey_pipeline_tests.contract.loads import Order
from journey_pipeline_tests.reading import SESSION, opened

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=5)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A stream, its vendor, and an empty home.

    Attributes:
        stream: What is loaded.
        sandbox: Its vendor.
        lake: The home.
    """

    stream: ContractStream
    sandbox: Sandbox
    lake: Lake

    def load(self, *windows: Window, **settings: Any) -> list[PartitionOutcome]:
        """Loads partitions, and says what became of them, by time; settings are those of `Order`."""
        order = Order(self.lake, windows, self.sandbox.clock, **settings)
        return sorted(self.stream.load(order), key=lambda outcome: outcome.window)

    def arrive(self, *windows: Window, **settings: Any) -> list[PartitionOutcome]:
        """Loads partitions that must arrive."""
        outcomes = self.load(*windows, **settings)
        for outcome in outcomes:
            if outcome.error:
                raise outcome.error
        return outcomes

    def be_refused(self, **settings: Any) -> VendorError:
        """Loads a partition that must not land; why it did not."""
        (outcome,) = self.load(*self.stream.windows(1), **settings)
        assert isinstance(outcome.error, VendorError), outcome.error
        assert self.landed() == []
        assert not self.lake.events_root.exists()
        return outcome.error

    def landed(self) -> list[Path]:
        """All that lies in the landing."""
        return [path for path in (self.lake.home / "raw").rglob("*") if path.is_file()]

    def evidence(self) -> list[Path]:
        """The answers that were kept as evidence."""
        return [path for path in (self.lake.home / "evidence").rglob("*") if path.is_file()]

    def calls(self, route: str) -> list[Call]:
        """What the vendor was asked at a route."""
        return self.sandbox.calls.to(route, vendor=self.stream.key.vendor)

    def fault(self, rule: str) -> None:
        """Puts a fault of this vendor in force, such as `download:503@1`."""
        self.sandbox.faults.add(f"{self.stream.key.vendor}/{rule}")

    def only_fault(self, rule: str) -> None:
        """Puts a fault in force in place of all others, and forgets the calls."""
        self.sandbox.faults.clear()
        self.sandbox.calls.clear()
        self.fault(rule)

    def spoil(self, kind: str, *, times: int | None = None) -> None:
        """Lets the answers with records go wrong: so many of them, or all."""
        first = self.stream.answered_at
        last = "" if times is None else first + times - 1
        self.fault(f"{self.stream.answer}:{kind}@{first}-{last}")

    def pass_time(self, by: timedelta) -> None:
        """Moves the present."""
        self.sandbox.clock.move(by)

    def switch(self, options: Mapping[str, Any]) -> None:
        """Changes options of the sandbox."""
        self.sandbox.options.change(json.dumps(options).encode())

    def truth(self, *windows: Window) -> Rows:
        """What the vendor answers now when asked for some windows at once."""
        return self.stream.truth(self.sandbox, windows)

    def events(self, columns: str = "") -> Rows:
        """The events of all files of the lake, each key once, as no file may hold one twice."""
        files = f"read_parquet('{self.lake.events_root}/**/*.parquet', filename = true)"
        twice = f"select event_key from {files} group by filename, event_key having count(*) > 1"
        assert _rows(SESSION, twice).total() == 0
        once = f"(select distinct on (event_key) * from {files})"
        return _rows(SESSION, f"select {columns or self.stream.columns} from {once}")

    def warehouse(self, columns: str = "") -> Rows:
        """The events of the warehouse, brought level."""
        assert sync(self.lake, SMALL).broken == ()
        with opened(warehouse_file(self.lake)) as session:
            return _rows(session, f"select {columns or self.stream.columns} from core.journey_events")


def _rows(session: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    return Counter(session.execute(sql).fetchall())
