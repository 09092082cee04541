"""What a user would write instead: answers saved as they come, one DuckDB statement over all of them.

No Parquet, no key, no guarantee but that each `Id` is there once. Not here: the same with polars (`polars_script.py`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import duckdb
import urllib3

from benchmarks.contenders.floor import THREADS, token_for
from benchmarks.task import COLUMNS, KEY, TIMES, Stopwatch, Task, body, headers, say
from journey_pipeline.model import Window


def save(task: Task, http: urllib3.PoolManager, token: str, window: Window) -> None:
    """One hour from the vendor to its file."""
    answer = http.request(
        "POST", task.download_url, json=body(window), headers=headers(token), preload_content=False
    ).read(decode_content=False)
    (task.home / f"{window.partition}.csv.gz").write_bytes(answer)


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    http = urllib3.PoolManager(maxsize=THREADS)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(partial(save, task, http, token_for(task, http)), task.windows))
    file, types = task.home / "script.duckdb", {name: "timestamptz" if name in TIMES else "varchar" for name in COLUMNS}
    with duckdb.connect(file) as database:
        database.execute("set threads = 2; set timezone = 'UTC'")
        form = f"header = true, quote = '\"', escape = '\"', nullstr = '', columns = {types}"
        database.execute(f"create table events as select * from read_csv('{task.home}/*.csv.gz', {form})")
        ((rows, keys),) = database.execute(f"select count(*), count(distinct {KEY}) from events").fetchall()
    if rows != keys:
        raise SystemExit(f"{rows} rows have {keys} keys")
    say(rows, watch.seconds, table=[str(file), "events"])


if __name__ == "__main__":
    main()
