"""The cost of the marts of passages as the warehouse grows: an hour more, all anew, and questions asked of them.

`marts ENTRIES_OF_DAY FROM_DAY TO_DAY` brings the warehouse from one number of days to another, and then takes three
busy hours one by one. Not here: the warehouse without passages (`warehouse_growth.py`).
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import duckdb

from benchmarks.contenders.direct import published_rows
from benchmarks.made_lake import day, hour
from benchmarks.made_walks import make_walks
from benchmarks.task import Stopwatch, Task, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings, published_file, warehouse_file, writing
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import sync

# Found out before, as by a person who asks: of a subquery DuckDB learns the value too late to leave rows unread.
ASKED_OF = """
    set variable root = (select min(journey_root_id) from marts.journey_funnel);
    set variable person = (select min(contact_id) from core.journey_events)
"""
ROOT = "getvariable('root')"
PERSON = "getvariable('person')"
QUESTIONS = {
    "funnel of a journey": f"select step_key, sum(reached) from marts.journey_funnel where journey_root_id = {ROOT} "
    "group by all",
    "transitions": f"select from_activity_id, to_activity_id, sum(moves) from marts.journey_transitions "
    f"where journey_root_id = {ROOT} group by all",
    "step times": f"from marts.step_times({ROOT})",
    "now": "select journey_root_id, sum(enrolments) from marts.journeys_now group by all",
    "re-entries": f"select count(*) from marts.journey_enrolments where journey_root_id = {ROOT} "
    "and enrolment_number > 1",
    "timeline of a person": f"from marts.contact_timeline where contact_id = {PERSON} "
    "order by occurred_at, instant_order",
}
_OF_MARTS = "'passage_steps', 'passages', 'reentries', 'funnel_counts', 'move_counts', 'message_events', 'messages', "
_OF_MARTS += "'message_counts'"


def main() -> None:
    """Grows a warehouse in the task's home."""
    watch = Stopwatch()
    lake = Lake(Task.given().home)
    entries, first, last = (int(argument) for argument in sys.argv[1:])
    make_walks(lake, [day(number) for number in range(first, last)], entries)
    sync(lake)
    figures = _figures(lake, last, entries)
    say(published_rows(lake), watch.seconds, **figures)


def _figures(lake: Lake, days: int, entries: int) -> dict[str, Any]:
    hours = [_one_more(lake, days * 24 + number, entries) for number in (11, 12, 13)]
    anew_cpu_s = _all_anew(lake)
    published = publish(lake)
    return {
        "hour_cpu_s": statistics.median(hours),
        "anew_cpu_s": anew_cpu_s,
        "file_mib": published.bytes / (1 << 20),
        **_asked(lake),
    }


def _one_more(lake: Lake, number: int, entries: int) -> float:
    make_walks(lake, [hour(number)], entries)
    begun = time.process_time()
    sync(lake)
    return time.process_time() - begun


def _all_anew(lake: Lake) -> float:
    with writing(warehouse_file(lake), WarehouseSettings()) as session:
        session.execute(f"update internal.tables set digest = '' where split_part(table_name, '.', 2) in ({_OF_MARTS})")
    begun = time.process_time()
    sync(lake)
    return time.process_time() - begun


def _asked(lake: Lake) -> dict[str, Any]:
    """Processor seconds of each question, the share of the file that is the marts', and how many events it has."""
    with duckdb.connect(published_file(lake), read_only=True, config={"threads": 2}) as session:
        session.execute(ASKED_OF)
        spent = {}
        for name, question in QUESTIONS.items():
            session.execute(question).fetchall()
            begun = time.process_time()
            session.execute(question).fetchall()
            spent[name] = time.process_time() - begun
        ((events,),) = session.execute("select count(*) from core.journey_events").fetchall()
        tables = session.execute(
            "select schema_name || '.' || table_name, estimated_size from duckdb_tables() "
            f"where schema_name = 'internal' and table_name in ({_OF_MARTS})"
        ).fetchall()
        blocks = {
            name: session.execute(
                f"select count(distinct block_id) from pragma_storage_info('{name}') where persistent"
            ).fetchall()[0][0]
            for name, _ in tables
        }
    return {"events": events, "questions": spent, "marts_mib": sum(blocks.values()) / 4}


if __name__ == "__main__":
    main()
