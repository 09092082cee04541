"""What PM4Py finds in the event log of a published file: a script, run with its packages."""

from __future__ import annotations

import json
import sys

import duckdb
import pm4py

question = json.load(sys.stdin)
session = duckdb.connect(question["file"], read_only=True)
rows = session.execute("set timezone = 'UTC'").execute(question["sql"]).df()
log = pm4py.format_dataframe(rows, case_id="case_id", activity_key="activity", timestamp_key="timestamp")
moves, _, _ = pm4py.discover_dfg(log)
json.dump({"version": pm4py.__version__, "moves": [[*pair, count] for pair, count in moves.items()]}, sys.stdout)
