"""Loads what people get to see of the ledger of exports, whole; without a ledger there is nothing.

Not here: the ledger (`exports/`), writing the document (`lake/export_listing.py`).
"""

from __future__ import annotations

import json

import duckdb

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.export_listing import ExportListing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, describe
from journey_pipeline.warehouse.inventory import BrokenFile
from journey_pipeline.warehouse.removal import withhold
from journey_pipeline.warehouse.schema import EXPORTS

_HEAL = "the next sync writes it again"
_STAGED = "staged_exports"


def stage_exports(
    session: duckdb.DuckDBPyConnection, lake: Lake, settings: WarehouseSettings, broken: list[BrokenFile]
) -> bool:
    """Reads the listing into a temporary table.

    Args:
        session: Without a transaction open.
        lake: Where it lies.
        settings: How much may go because it is not in the lake any more.
        broken: Takes the listing if it can't be used, or lacks too much; what was loaded of it stays.

    Returns:
        Whether it differs from what is loaded.
    """
    name = lake.relative(lake.export_listing)
    try:
        listing = ExportListing.read(lake.export_listing) or ExportListing()
    except LakeError:
        broken.append(BrokenFile(name, "it is no listing of exports", _HEAL))
        return False
    columns = ", ".join(f"(export ->> '{column.name}')::{column.type} as {column.name}" for column in EXPORTS.columns)
    try:
        session.execute(
            f"create or replace temp table {_STAGED} as select {columns} "
            "from (select unnest(from_json(?::json, '[\"json\"]')) as export)",
            [json.dumps(listing.exports)],
        )
    except duckdb.Error as error:
        broken.append(BrokenFile(name, f"it can't be read as a listing of exports ({describe(error)})", _HEAL))
        return False
    held, staged = EXPORTS.name, _STAGED
    gone = session.execute(f"select export_id from {held} anti join {staged} using (export_id)").fetchall()
    ((loaded,),) = session.execute(f"select count(*) from {held}").fetchall()
    if withhold(name, gone, loaded, settings, broken):
        return False
    differs = f"(from {staged} except all from {held}) union all (from {held} except all from {staged})"
    return bool(session.execute(f"select exists (from ({differs}))").fetchall()[0][0])


def load_exports(session: duckdb.DuckDBPyConnection) -> None:
    """Puts the staged listing in the place of what was loaded; inside the caller's transaction."""
    session.execute(f"delete from {EXPORTS.name}")
    session.execute(f"insert into {EXPORTS.name} from {_STAGED}")
