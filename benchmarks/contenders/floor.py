"""The floor: the least code that does the work, fast and without any guarantee.

Threads download, isal inflates, pyarrow parses and types; DuckDB makes the key, keeps each one once within an hour,
writes a Parquet file an hour and loads one table. No landing, retries, codes, rejects or marts; nothing is published.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import duckdb
import pyarrow as pa
import urllib3
from isal import isal_zlib
from pyarrow import csv

from benchmarks.task import COLUMNS, KEY, TIMES, Stopwatch, Task, body, headers, say
from journey_pipeline.model import Window

THREADS = 3
EVENT_KEY = f"md5(concat_ws(chr(31), 'sfmc', 'journey_history', {KEY}))::uuid"


def parse(answer: bytes) -> pa.Table:
    """An hour's rows, typed."""
    types = {name: pa.timestamp("ms", "UTC") if name in TIMES else pa.string() for name in COLUMNS}
    return csv.read_csv(
        io.BytesIO(answer),
        read_options=csv.ReadOptions(block_size=1 << 20, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True, null_values=[""]),
    )


def token_for(task: Task, http: urllib3.PoolManager) -> str:
    """A token for the downloads."""
    return str(http.request("POST", task.token_url, json=task.credentials).json()["access_token"])


def load_hour(
    task: Task, http: urllib3.PoolManager, token: str, database: duckdb.DuckDBPyConnection, window: Window
) -> None:
    """One hour from the vendor to its Parquet file."""
    answer = http.request(
        "POST",
        task.download_url,
        json=body(window),
        headers=headers(token),
        preload_content=False,
        decode_content=False,
    )
    rows = parse(isal_zlib.decompress(answer.read(decode_content=False), wbits=31))
    cursor = database.cursor()
    cursor.register("rows", rows)
    file = task.home / "lake" / f"{window.partition}.parquet"
    cursor.execute(
        f"copy (select distinct on (event_key) * from (select {EVENT_KEY} as event_key, * from rows)) to '{file}' "
        "(format parquet, compression zstd, compression_level 1)"
    )


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    (task.home / "lake").mkdir()
    http = urllib3.PoolManager(maxsize=THREADS)
    token, file = token_for(task, http), task.home / "floor.duckdb"
    with duckdb.connect(file) as database:
        database.execute("set threads = 1; set memory_limit = '4GB'; set preserve_insertion_order = false")
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(partial(load_hour, task, http, token, database), task.windows))
        database.execute("set threads = 2")
        database.execute(f"create table events as select * from read_parquet('{task.home}/lake/*.parquet')")
        ((rows,),) = database.execute("select count(*) from events").fetchall()
    say(rows, watch.seconds, table=[str(file), "events"])


if __name__ == "__main__":
    main()
