"""What it costs to make all tables anew where half of the events are of passages.

`marts_anew ENTRIES_OF_DAY DAYS ROWS_OF_DAY` makes days of passages and of mail, and then all tables that SELECTs make.
Not here: how the cost of passages grows (`marts.py`).
"""

from __future__ import annotations

import sys
import time

from benchmarks.contenders.direct import published_rows
from benchmarks.made_lake import day
from benchmarks.made_mail import make_mail
from benchmarks.made_walks import make_walks
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file, writing
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.schema import made_tables
from journey_pipeline.warehouse.sync import rebuild, sync


def main() -> None:
    """Makes a warehouse in the task's home, and all its tables but the events again."""
    watch = Stopwatch()
    lake = Lake(Task.given().home)
    entries, days, rows = (int(argument) for argument in sys.argv[1:])
    windows = [day(number) for number in range(days)]
    make_walks(lake, windows, entries)
    make_mail(lake, windows, rows)
    begun = time.process_time()
    rebuild(lake)
    rebuild_cpu_s = time.process_time() - begun
    with writing(warehouse_file(lake), WarehouseSettings()) as session:
        names = [table.name for table in made_tables()]
        session.execute("update internal.tables set digest = '' where table_name in (select unnest(?))", [names])
    begun = time.process_time()
    sync(lake)
    anew_cpu_s = time.process_time() - begun
    publish(lake)
    say(published_rows(lake), watch.seconds, rebuild_cpu_s=rebuild_cpu_s, anew_cpu_s=anew_cpu_s)


if __name__ == "__main__":
    main()
