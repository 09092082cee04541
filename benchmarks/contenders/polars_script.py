"""What a user of polars would write instead: typed, each `Id` once, a Parquet file an hour, one DuckDB table.

No hashed key and no guarantee. Not here: the same with DuckDB alone (`duckdb_script.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import duckdb
import polars as pl
import urllib3
from isal import isal_zlib

from benchmarks.contenders.floor import THREADS, token_for
from benchmarks.task import COLUMNS, KEY, TIMES, Stopwatch, Task, body, headers, say
from journey_pipeline.model import Window


def load_hour(task: Task, http: urllib3.PoolManager, token: str, window: Window) -> None:
    """One hour from the vendor to its Parquet file."""
    answer = http.request(
        "POST", task.download_url, json=body(window), headers=headers(token), preload_content=False
    ).read(decode_content=False)
    rows = parse(isal_zlib.decompress(answer, wbits=31))
    rows.unique(KEY, keep="last").write_parquet(
        task.home / f"{window.partition}.parquet", compression="zstd", compression_level=1
    )


def parse(answer: bytes) -> pl.DataFrame:
    """An hour's rows, typed."""
    rows = pl.read_csv(answer, schema=dict.fromkeys(COLUMNS, pl.String))
    return rows.with_columns(pl.col(*TIMES).str.to_datetime(time_unit="ms", time_zone="UTC"))


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    http = urllib3.PoolManager(maxsize=THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(load_hour, task, http, token_for(task, http)), task.windows))
    file = task.home / "script.duckdb"
    with duckdb.connect(file) as database:
        database.execute("set threads = 2")
        database.execute(f"create table events as select * from read_parquet('{task.home}/*.parquet')")
        ((rows,),) = database.execute("select count(*) from events").fetchall()
    say(rows, watch.seconds, table=[str(file), "events"])


if __name__ == "__main__":
    main()
