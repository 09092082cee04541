"""Loads what the sweeps found: one document for each sweep, each of them written once and never changed.

Not here: the sweeps (`loading/reconcile.py`), the table that people read (`sql/ops/drift.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import duckdb

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.drift import DriftReport, is_report
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.inventory import BrokenFile
from journey_pipeline.warehouse.removal import withhold

_HEAL = "remove it: the next sweep writes another"


@dataclass(frozen=True, slots=True)
class ReportsChange:
    """Reports that are new, with their text, and reports that are gone; by their path below the home."""

    added: dict[str, str]
    gone: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not self.added and not self.gone


def find_reports(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, broken: list[BrokenFile]
) -> ReportsChange:
    """Looks which reports are not loaded yet, or no longer there.

    Args:
        session: On the warehouse.
        lake: Where the reports lie.
        settings: How much may go because it is not in the lake any more.
        broken: Takes the reports that can't be read, and what stays though it is gone.
    """
    loaded = {str(path) for (path,) in session.execute("select path from internal.drift_reports").fetchall()}
    found = {lake.relative(path): path for path in lake.drift_root.glob("*/*/*.json") if is_report(path)}
    added = {}
    for name in sorted(found.keys() - loaded):
        try:
            report = DriftReport.read(found[name])
        except LakeError:
            broken.append(BrokenFile(name, "it is no report of a sweep", _HEAL))
            continue
        if report and (report.connection, report.stream) == found[name].parts[-3:-1]:  # else it is a copy
            added[name] = report.model_dump_json()
    gone: list[str] = []
    for folder, names in groupby(sorted(loaded - found.keys()), _folder):
        lacking = list(names)
        if not withhold(folder, lacking, sum(_folder(name) == folder for name in loaded), settings, broken):
            gone += lacking
    return ReportsChange(added, gone)


def _folder(report: str) -> str:
    return report.rpartition("/")[0]


def load_reports(session: duckdb.DuckDBPyConnection, change: ReportsChange) -> None:
    """Loads the new reports and takes out those that are gone; inside the caller's transaction."""
    if change.gone:
        session.executemany("delete from internal.drift_reports where path = ?", [[path] for path in change.gone])
    if change.added:
        session.executemany("insert into internal.drift_reports values (?, ?)", list(change.added.items()))
