"""An export that fits on a screen, in each of the vendor's formats, and what becomes of it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from journey_pipeline_tests.vendors.made_insider import FORMATS, Normalized, as_format, landed

FOLDER = Path(__file__).parent
FILE = FOLDER / "insider_user_events.csv"
EVENTS = """
  concat_ws(' ', landing_row, occurred_at::varchar, '(' || occurred_at_source || ')', if(is_test, 'dry run', null)),
  concat_ws(' ', '  ' || event_key, contact_id, email, 'journey', journey_id, journey_name),
  concat_ws(' ', '   activity', activity_id, activity_type, 'message ' || message_id),
  concat_ws(' ', '  ', channel, action, vendor_action, 'reason ' || reason, reason_code),
  '   ' || properties
"""
ATTRIBUTES = "concat_ws(' ', 'attribute', profile_key, attribute_id, '(' || attribute_name || ')', value)"


def told(made: Normalized) -> str:
    lines = [line for row in made.events(EVENTS) for line in row]
    lines += [f"{row} rejected: {reason}" for row, reason in made.rejects("landing_row, reason")]
    lines += [line for (line,) in made.attributes(ATTRIBUTES)]
    counts = {"landed": made.manifest.landed, "duplicates": made.manifest.duplicates}
    lines += [f"unknown codes {made.manifest.unknown_codes}, columns {made.manifest.unknown_columns}, {counts}"]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", FORMATS)
def test_the_golden_export_becomes_the_same_in_each_format(tmp_path: Path, form: str) -> None:
    header, *rows = list(csv.reader(io.StringIO(FILE.read_text(), newline="")))
    made = landed(tmp_path, as_format(form, header, rows))
    assert told(made) == FILE.with_suffix(".txt").read_text()
    assert made.manifest.unaccounted == 0
