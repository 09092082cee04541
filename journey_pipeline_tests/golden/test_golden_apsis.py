"""Files that fit on a screen, and what becomes of them, as text that fits on a screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from journey_pipeline.recipe import Recipe
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_EVENTS
from journey_pipeline.vendors.apsis.profile_events.stream import PROFILE_EVENTS
from journey_pipeline_tests.vendors.made_apsis import landed

FOLDER = Path(__file__).parent

EVENTS = """
  concat_ws(' ', landing_row, occurred_at::varchar, '(' || occurred_at_source || ')', 'received ' || received_at),
  concat_ws(' ', '  ' || event_key, contact_id, email, 'journey', journey_id, journey_name),
  concat_ws(' ', '   activity', activity_id, activity_type, activity_name, 'message ' || message_id),
  concat_ws(' ', '  ', channel, action, vendor_action, 'outcome ' || outcome, 'reason ' || reason, reason_code),
  '   ' || properties
"""
REJECTS = "concat_ws(' ', landing_row, 'rejected:', reason), '   ' || raw, '   ' || properties"


@pytest.mark.parametrize(
    ("recipe", "file"), [(PROFILE_EVENTS, "apsis_profile_events.json"), (EMAIL_EVENTS, "apsis_email_events.csv")]
)
def test_the_golden_day_becomes_what_it_always_became(tmp_path: Path, recipe: Recipe, file: str) -> None:
    made = landed(tmp_path, recipe, (FOLDER / file).read_bytes())
    lines = [line for row in made.events(EVENTS) + made.rejects(REJECTS) for line in row]
    counts = {"landed": made.manifest.landed, "duplicates": made.manifest.duplicates}
    lines += [f"unknown codes {made.manifest.unknown_codes}, columns {made.manifest.unknown_columns}, {counts}"]
    assert "\n".join(lines) + "\n" == (FOLDER / file).with_suffix(".txt").read_text()
