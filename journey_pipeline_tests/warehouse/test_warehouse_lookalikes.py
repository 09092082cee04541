"""What a vendor without event ids may have told twice is counted, for a person to look at."""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.stream_figures import LOOKALIKES, count_lookalikes
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.vendors.made_journeys import KEY, record, typed


def test_events_restated_or_told_of_several_people_are_counted(tmp_path: Path) -> None:
    lake = typed(
        tmp_path,
        record(visitor_id="v-1", revenue=1),
        record(visitor_id="v-1", revenue=2),
        record(visitor_id="v-2", individual_id="p-1"),
        record(visitor_id="v-2", individual_id="p-2"),
        record(visitor_id="v-3", individual_id="p-3"),
        record(individual_id="p-4"),
        record(individual_id="p-5", event_time="2026-11-19T09:15:30Z", visitor_id="v-2"),
    ).lake
    assert count_lookalikes(lake, KEY, tuple(LOOKALIKES)) == {}
    sync(lake, WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0))
    publish(lake)
    assert count_lookalikes(lake, KEY, tuple(LOOKALIKES)) == {"lookalikes": 2, "of_several_people": 2}
    assert count_lookalikes(lake, KEY, ()) == {}
