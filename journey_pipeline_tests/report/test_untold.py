"""Figures that a vendor does not tell: a page leaves them empty, and does not say that there were none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from journey_pipeline.model import StreamKey
from journey_pipeline.report.index import ask_journeys, index_page
from journey_pipeline.report.journey import Journey, Span, journey_page
from journey_pipeline.report.page import html
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.questions import published
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.warehouse.made_lake import Event, MadeLake

pytestmark = pytest.mark.slow(reason="a warehouse is made")

SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0)
APSIS = StreamKey("apsis", "apsis", "profile_events")
LAYERFIVE = StreamKey("layerfive", "layerfive", "customer_journeys")
TELLING = StreamKey("insider", "insider", "user_events")


def put(made: MadeLake, stream: StreamKey, *people: Sequence[str]) -> None:
    """Puts a day in which each person does some actions of one journey."""
    numbered = [(person, action) for person, actions in enumerate(people) for action in actions]
    rows = [
        Event(1000 * len(stream.vendor) + row, row=row, contact=f"C-{person}", action=action)
        for row, (person, action) in enumerate(numbered, 1)
    ]
    made.put("2026-11-01", rows, stream)


def test_a_figure_that_the_vendor_does_not_tell_is_empty_and_one_that_it_tells_is_a_number(
    tmp_path: Path,
) -> None:
    made = MadeLake(tmp_path)
    put(made, APSIS, ["enter", "send", "exit"], ["enter", "send"])
    put(made, LAYERFIVE, ["click", "convert"])
    put(made, TELLING, ["enter", "fail"], ["enter", "exit"], ["enter", "convert"])
    assert not sync(made.lake, SMALL).broken
    publish(made.lake, SMALL)
    with published(made.lake) as asked:
        pages = {
            stream.connection: journey_page(asked, Journey(stream.connection, "J-1", "Welcome"), Span())
            for stream in (APSIS, LAYERFIVE, TELLING)
        }
        journeys = ask_journeys(asked, Span())
    assert {connection: list(page.figures) for connection, page in pages.items()} == {
        "apsis": [
            ("Entered", "2", ""),
            ("Open", "1", "1 of those who entered"),
            ("Finished", "1", "50.0% of those"),
            ("Goal rate", "-", ""),
        ],
        "layerfive": [
            ("Entered", "0", ""),
            ("Open", "0", "0 of those who entered"),
            ("Finished", "-", ""),
            ("Goal rate", "-", "0 reached the goal"),
        ],
        "insider": [
            ("Entered", "3", ""),
            ("Open", "0", "0 of those who entered"),
            ("Finished", "1", "33.3% of those; 1 failed"),
            ("Goal rate", "33.3%", "1 reached the goal"),
        ],
    }
    told = {row["connection"]: (row["finished"], row["failed"], row["reached_goal"]) for row in journeys}
    assert told == {"apsis": (1, None, None), "layerfive": (None, None, 0), "insider": (1, 1, 1)}
    of_apsis = index_page([row for row in journeys if row["connection"] == "apsis"])
    assert list(of_apsis.figures) == [
        ("Entered", "2", ""),
        ("Open", "1", ""),
        ("Finished", "1", ""),
        ("Failed", "-", ""),
    ]
    assert list(index_page(journeys).figures)[2:] == [("Finished", "2", ""), ("Failed", "1", "")]
    assert all(map(html, [*pages.values(), index_page(journeys)]))
