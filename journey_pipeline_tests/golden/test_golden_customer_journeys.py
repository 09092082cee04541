"""An answer that fits on a screen, and what becomes of it, as text that fits on a screen."""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_pipeline_tests.golden.test_golden_journey_history import EVENTS, REJECTS
from journey_pipeline_tests.vendors.made_journeys import KEY, PARTITION, MadeJourneys

FOLDER = Path(__file__).parent


def test_the_golden_answer_becomes_what_it_always_became(tmp_path: Path) -> None:
    made = MadeJourneys(tmp_path).land((FOLDER / "layerfive_customer_journeys.json").read_bytes())
    manifest = made.normalize()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(EVENTS, [str(made.lake.events_file(KEY, PARTITION))]).fetchall()
        rows += connection.execute(REJECTS, [str(made.lake.rejects_file(KEY, PARTITION))]).fetchall()
    lines = [line for row in rows for line in row]
    lines.append(f"unknown fields {manifest.unknown_columns}, codes {manifest.unknown_codes}")
    assert "\n".join(lines) + "\n" == (FOLDER / "layerfive_customer_journeys.txt").read_text()
