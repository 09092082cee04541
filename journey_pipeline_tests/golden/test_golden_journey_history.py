"""A file that fits on a screen, and what becomes of it, as text that fits on a screen."""

from __future__ import annotations

from pathlib import Path

import duckdb

from journey_pipeline.vendors.sfmc.journey_history.stream import JOURNEY_HISTORY
from journey_pipeline_tests.lake.made_landing import KEY, PARTITION, MadeLanding

FOLDER = Path(__file__).parent

EVENTS = """
    select
      concat_ws(' ', landing_row, occurred_at, '(' || occurred_at_source || ')', 'received ' || received_at),
      concat_ws(' ', '  ' || event_key, contact_id, 'journey', journey_id, journey_name, 'passage ' || enrolment_id),
      concat_ws(' ', '   activity', activity_id, activity_type, activity_name, 'then ' || next_activity_id),
      concat_ws(' ', '  ', channel, action, vendor_action, 'message ' || message_id,
        'outcome ' || outcome, 'reason ' || reason, reason_code),
      '   ' || properties
    from read_parquet(?)
"""
REJECTS = """
    select
      concat_ws(' ', landing_row, 'rejected:', reason),
      '   ' || raw,
      '   ' || properties
    from read_parquet(?)
"""


def test_the_golden_hour_becomes_what_it_always_became(tmp_path: Path) -> None:
    made = MadeLanding(tmp_path, recipe=JOURNEY_HISTORY)
    made.land((FOLDER / "sfmc_journey_history.csv").read_bytes())
    manifest = made.normalize()
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = connection.execute(EVENTS, [str(made.lake.events_file(KEY, PARTITION))]).fetchall()
        rows += connection.execute(REJECTS, [str(made.lake.rejects_file(KEY, PARTITION))]).fetchall()
    lines = [line for row in rows for line in row]
    lines.append(f"unknown codes {manifest.unknown_codes}")
    assert "\n".join(lines) + "\n" == (FOLDER / "sfmc_journey_history.txt").read_text()
