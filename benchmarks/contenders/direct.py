"""The pipeline without Dagster: backfill, sync and publish as plain functions, every guarantee on.

Not here: the same as a Dagster run (`through_dagster.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.task import COMPARED, Stopwatch, Task, peak_mib, say
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings
from journey_pipeline.model import Window
from journey_pipeline.vendors.sfmc.client import SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import JourneyHistory, journey_history_stream
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.connection import published_file
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import query
from journey_pipeline.warehouse.sync import sync

CONNECTION = "sfmc"
# The insert of events writes them to the file by itself: what is left to write after it are the tables made of them.
_OF_MARTS = ("tables", "commit", "checkpoint")
_COMPARED_HERE = ("properties ->> 'id'", "occurred_at", "contact_id", "journey_name", "activity_name")


def published_rows(lake: Lake) -> int:
    """Events in the published warehouse."""
    (((rows,),),) = query(lake, "select count(*) from core.journey_events").batches
    return int(rows)


def published_table(lake: Lake) -> list[str]:
    """The published file, and the events in it with the vendor's names."""
    named = (f"{expression} as {name}" for name, expression in zip(COMPARED, _COMPARED_HERE, strict=True))
    return [str(published_file(lake)), f"(select {', '.join(named)} from core.journey_events)"]


def load(lake: Lake, stream: Stream, windows: Sequence[Window]) -> None:
    """Lands some hours and makes their events, whether they are there or not."""
    backfill = LoadAtOnce(
        lake,
        stream,
        windows,
        LoadSettings(),
        open=lambda: JourneyHistory(SfmcClient(CONNECTION), stream),
    )
    for outcome in backfill.outcomes():
        if outcome.error:
            raise outcome.error


def main() -> None:
    """Loads the hours of this process's task."""
    watch = Stopwatch()
    task = Task.given()
    lake = Lake(task.home)
    load(lake, journey_history_stream(CONNECTION, task.span.start), task.windows)
    load_s, load_peak_mib = watch.seconds, peak_mib()
    report = sync(lake)
    published = publish(lake)
    say(
        published_rows(lake),
        watch.seconds,
        load_s=load_s,
        load_peak_mib=load_peak_mib,
        sync_events_s=report.seconds - report.phases["tables"],
        sync_marts_s=report.phases["tables"],
        marts_cpu_s=sum(report.cpu[phase] for phase in _OF_MARTS),
        publish_s=published.seconds,
        table=published_table(lake),
    )


if __name__ == "__main__":
    main()
