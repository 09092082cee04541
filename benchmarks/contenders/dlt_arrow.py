"""dlt at its fastest: Arrow tables, merged on the vendor's own key into DuckDB.

It gets an advantage: it need not make a key of its own. Not here: dlt as its documentation introduces it
(`dlt_records.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.sources.helpers import requests

from benchmarks.contenders.floor import parse
from benchmarks.task import COMPARED, KEY, Stopwatch, Task, body, headers, say


def token(task: Task) -> str:
    """A token for the downloads."""
    return str(requests.post(task.token_url, json=task.credentials).json()["access_token"])


def merge(task: Task, tables: Iterator[object], file_format: Any = None) -> int:
    """Runs dlt over what an iterator gives.

    Args:
        file_format: Between extract and load; what dlt chooses itself if None.

    Returns:
        Rows of the table afterwards.
    """
    resource = dlt.resource(tables, name="events", write_disposition="merge", primary_key=KEY)
    pipeline = dlt.pipeline(
        "benchmark",
        destination=dlt.destinations.duckdb(str(task.home / "dlt.duckdb")),
        dataset_name="raw",
        pipelines_dir=str(task.home / "pipelines"),
    )
    pipeline.run(resource, loader_file_format=file_format)
    with pipeline.sql_client() as client:
        ((rows,),) = client.execute_sql("select count(*) from events") or [(0,)]
    return int(rows)


def merged(task: Task) -> list[str]:
    """The file and the table, whose columns dlt gives names of its own."""
    columns = (f"{re.sub('(?<=[a-z])(?=[A-Z])', '_', name).lower()} as {name}" for name in COMPARED)
    return [str(task.home / "dlt.duckdb"), f"(select {', '.join(columns)} from raw.events)"]


def _tables(task: Task) -> Iterator[pa.Table]:
    sent = headers(token(task))
    for window in task.windows:
        yield parse(requests.post(task.download_url, json=body(window), headers=sent).content)


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    say(merge(task, _tables(task), "parquet"), watch.seconds, table=merged(task))


if __name__ == "__main__":
    main()
