"""What retentioneering finds in the event log of a published file: a script, run with its packages."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import duckdb
import retentioneering

question = json.load(sys.stdin)
session = duckdb.connect(question["file"], read_only=True)
rows = session.execute("set timezone = 'UTC'").execute(question["sql"]).df()
schema = {"path_cols": ["case_id"], "event_col": "activity", "timestamp_col": "timestamp"}
moves = retentioneering.Eventstream(rows, schema=schema).transition_graph_data(edge_weight="count")
answer = {
    "version": version("retentioneering"),
    "moves": [
        [before, after, int(count)]
        for before, counts in moves.iterrows()
        for after, count in counts.items()
        if count and before != "path_start" and after != "path_end"
    ],
}
json.dump(answer, sys.stdout)
