"""Dimensions: what a vendor lists (its journeys, their activities), the latest of everything ever seen.

A row that the vendor no longer lists stays, because events may still name it. Not here: what a page's fields mean
(`vendors/`), the tables that join dimensions with events (`warehouse/`).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import duckdb

from journey_pipeline.files import replacing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import LandingManifest
from journey_pipeline.model import Column, StreamKey
from journey_pipeline.normalize.staging import BELIEVABLE
from journey_pipeline.recipe import DimensionRecipe
from journey_pipeline.sql import literal


def update_dimension(lake: Lake, landed: Iterable[LandingManifest], recipe: DimensionRecipe) -> int:
    """Folds landed pages into a dimension's file; of two rows with one key the one seen later stays.

    Folding is idempotent, so all of the landing can be folded again at any time.

    Args:
        landed: The landing manifests to fold in, of one connection.
        recipe: What a page's fields mean.

    Returns:
        How many rows the dimension has now; 0 if nothing has ever landed.
    """
    manifests = list(landed)
    if not manifests:
        return 0
    vendor, connection = manifests[0].vendor, manifests[0].connection
    path = lake.dimension_file(connection, recipe.name)
    with duckdb.connect(config={"threads": 1, "memory_limit": "500MB"}) as session:
        session.execute("set timezone = 'UTC'")
        session.execute(BELIEVABLE)
        session.execute("create table pages (body json, seen_at timestamptz)")
        for manifest in manifests:
            session.executemany("insert into pages values (?, ?)", _pages(lake, manifest))
        session.execute(_fold(recipe, vendor, connection, path if path.exists() else None))
        with replacing(path) as temporary:
            rows = _in_file_types(session)
            session.execute(f"copy ({rows}) to {literal(str(temporary))} (format parquet, compression zstd)")
        row = session.execute("select count(*) from folded").fetchone()
    return int(row[0]) if row else 0


def _pages(lake: Lake, manifest: LandingManifest) -> list[tuple[str, datetime]]:
    folder = lake.landing_dir(StreamKey(manifest.vendor, manifest.connection, manifest.stream), manifest.partition)
    return [
        (gzip.decompress((folder / attempt.attempt / file.name).read_bytes()).decode(), attempt.landed_at)
        for attempt in manifest.attempts
        for file in attempt.files
    ]


def _in_file_types(session: duckdb.DuckDBPyConnection) -> str:
    """The SELECT of the folded rows with JSON as text, that of files of an earlier version too."""
    columns = [Column(name, kind, "") for name, kind, *_ in session.execute("describe folded").fetchall()]
    return f"select {', '.join(f'{one.name}::{one.file_type} as {one.name}' for one in columns)} from folded"


def _fold(recipe: DimensionRecipe, vendor: str, connection: str, existing: Path | None) -> str:
    key = ", ".join(recipe.key)
    earlier = f"union all by name select * from read_parquet({literal(str(existing))})" if existing else ""
    return f"""
        create table folded as
        with seen as (
            select
                '{vendor}' as vendor,
                '{connection}' as connection,
                fresh.* exclude (seen_at),
                seen_at as first_seen_at,
                seen_at as last_seen_at
            from ({recipe.sql}) as fresh
            {earlier}
        )
        select
            * replace (
                '{vendor}' as vendor,  -- files of an earlier version have none
                min(first_seen_at) over (partition by {key}) as first_seen_at
            )
        from seen
        qualify row_number() over (partition by {key} order by last_seen_at desc) = 1
        order by {key}
    """
