"""The table of codes, as an analyst reads it: Insider's on a screen, and every vendor's send."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import duckdb

import journey_pipeline
from journey_pipeline.warehouse.codes import codes_table
from journey_pipeline_tests.vendors.made_insider import as_format, landed

FOLDER = Path(__file__).parent
CODES = Path(journey_pipeline.__file__).parent / "vendors"
INSIDER = """
  select concat_ws(' | ', code_table, field, concat_ws(':', channel_code, code), channel, action, name, meaning)
  from codes where vendor = 'insider' order by code_table, place
"""
SENDS = """
  select concat_ws(' | ', vendor, stream, field, code, with_outcome, channel, action, action_claims)
  from codes where action = 'send' and vendor <> 'insider' order by vendor, stream, place
"""


def opened() -> duckdb.DuckDBPyConnection:
    session = duckdb.connect()
    session.execute(f"create table codes as {codes_table().sql}")
    return session


def test_the_table_of_codes_reads_as_the_golden_one() -> None:
    with opened() as session:
        lines = [line for query in (INSIDER, SENDS) for (line,) in session.execute(query).fetchall()]
    assert "\n".join(lines) + "\n" == (FOLDER / "core_codes.txt").read_text()


def test_every_row_of_every_code_table_is_there_and_a_send_claims_an_attempt() -> None:
    wanted = {
        (file.parts[-4], file.parts[-3], file.stem): len(file.read_text(encoding="utf-8").splitlines()) - 1
        for file in CODES.glob("*/*/codes/*.csv")
    }
    with opened() as session:
        counted = "select vendor, stream, code_table, count(distinct place) from codes group by all"
        found = {key: rows for *key_of, rows in session.execute(counted).fetchall() for key in [tuple(key_of)]}
        claims = session.execute("select distinct action_claims from codes where action = 'send'").fetchall()
    assert found == wanted
    assert {vendor for vendor, *_ in wanted} == {"apsis", "insider", "layerfive", "sfmc"}
    assert [claim for (claim,) in claims if "attempted" not in claim] == []
    assert len(claims) == 1


def test_events_are_decoded_as_the_table_says(tmp_path: Path) -> None:
    header, *rows = list(csv.reader(io.StringIO((FOLDER / "insider_user_events.csv").read_text(), newline="")))
    made = landed(tmp_path, as_format("csv", header, rows))
    events = made.events(
        "lower(properties ->> 'e_channel_code'), properties ->> 'e_action_code', action, vendor_action"
    )
    with opened() as session:
        query = """
          select action, name from codes
          where vendor = 'insider' and code_table = 'actions' and code = ? and coalesce(channel_code, ?) = ?
          order by place
        """
        decoded = [one for one in events if one[1] and not one[3].startswith("UNKNOWN_")]
        for channel, code, *told in decoded:
            first = session.execute(query, [code, channel, channel]).fetchone()
            assert first == tuple(told)
    assert {channel for channel, *_ in decoded} == {"em", "ac"}
