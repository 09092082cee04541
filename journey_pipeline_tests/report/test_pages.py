"""What a page holds whatever journeys and steps are called, and however many there are."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
from datetime import date
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from journey_pipeline.errors import ConfigError
from journey_pipeline.report.funnel import MOST_BARS, funnel, thumbnail
from journey_pipeline.report.journey import Journey, find_journey
from journey_pipeline.report.over_time import daily, days, hours
from journey_pipeline.report.page import Page, html
from journey_pipeline.report.part import Answered, Part, label
from journey_pipeline.report.proof import Line, Proof, proof_csv
from journey_pipeline.report.sankey import MOST_LINKS, sankey

ODD = [
    "</script><script>document.title = 1</script>",
    "<img src=x onerror=alert(1)>",
    "{style} {data}",
    "two\nlines\tand \u202ereversed",
    "=SUM(ads)",
    "é" * 300,
    "",
]
STEP = ("step", "name", "rank", "reached", "went_on", "open_here", "ended_here")
MOVE = ("from_step", "from_name", "to_step", "to_name", "moves")


def steps(number: int) -> Answered:
    """A journey of steps in a row, with odd names."""
    rows = [(f"s{n}", ODD[n % len(ODD)], n + 1, 1000 - n, 999 - n, 1, 0) for n in range(number)]
    return Answered("select '</script>'", STEP, [("entered", "entered", 0, 1000, 1000, 0, 0), *rows])


def moves(*pairs: tuple[str, str, int]) -> Answered:
    return Answered("select 1", MOVE, [(source, source, target, target, count) for source, target, count in pairs])


def page_of(*parts: Part, title: str = "Journey") -> str:
    return html(Page(title, ["head"], [], [("Entered", "1", "")], parts, "foot"))


class Tags(HTMLParser):
    """The tags of a page, its scripts, and what is in its data."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[int, str] = {}
        self.feed(page)
        scripts = [self.texts.get(at, "") for at, tag in enumerate(self.tags) if tag == "script"]
        self.data: dict[str, Any] = json.loads(scripts[0])
        self.scripts = scripts[1:]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {name for name, _ in attrs} & {"src", "href", "onerror", "onload"}
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        at = len(self.tags) - 1
        self.texts[at] = self.texts.get(at, "") + data


@pytest.mark.parametrize("name", ODD)
def test_a_name_is_text_of_the_page_and_never_markup(name: str) -> None:
    page = Tags(page_of(Part(name, name, steps(10), funnel(steps(10))), title=name))
    assert page.tags == Tags(page_of(Part("plain", "", steps(10), funnel(steps(10))))).tags
    assert page.data["title"] == name
    assert [row[1] for row in page.data["parts"][0]["rows"]][1:8] == ODD


def test_a_page_asks_the_network_for_nothing_and_runs_its_own_scripts_alone() -> None:
    page = page_of(Part("Steps", "", steps(3), funnel(steps(3))))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']*)'", policy[1]))
    assert allowed == {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in Tags(page).scripts}
    assert not re.search(r"@import|url\(['\"]?http|fetch\(", Tags(page).scripts[1] + page.split("<script")[0])


def test_a_page_of_ten_thousand_steps_is_below_a_megabyte_and_says_what_is_left_out() -> None:
    many = steps(10_000)
    flow = moves(*[(f"s{n}", f"s{n + 1}", 20_000 - n) for n in range(10_000)])
    page = page_of(Part("Steps", "", many, funnel(many)), Part("Flow", "", flow, sankey(flow)))
    assert len(page.encode()) < 1_000_000
    drawn, flowing = (part["plot"] for part in Tags(page).data["parts"])
    assert len(drawn["option"]["yAxis"]["data"]) == MOST_BARS
    assert "9,941" in drawn["says"].replace("9941", "9,941")
    assert len(flowing["option"]["series"][0]["links"]) == MOST_LINKS
    assert f"{10_000 - MOST_LINKS:,} more" in flowing["says"].replace("9940", "9,940")


def test_the_rarest_move_of_a_loop_is_not_drawn() -> None:
    flow = sankey(moves(("entered", "a", 9), ("a", "b", 8), ("b", "a", 2), ("a", "a", 1), ("b", "finished", 6)))
    assert flow
    links = [(link["source"], link["target"]) for link in flow.option["series"][0]["links"]]
    assert links == [("entered", "a"), ("a", "b"), ("b", "finished")]
    assert "2 more" in flow.says


def test_steps_of_one_name_are_two_steps_of_the_flow() -> None:
    rows = [("entered", "entered", "a", "Wait", 5), ("a", "Wait", "b", "Wait", 4)]
    flow = sankey(Answered("", MOVE, rows))
    assert flow
    assert [node["name"] for node in flow.option["series"][0]["data"]] == ["entered", "Wait", "Wait (2)"]


def test_a_plot_without_rows_is_left_out() -> None:
    nothing = Answered("", (), [])
    assert [sankey(nothing), funnel(nothing), daily(nothing), days(nothing), hours(nothing, "UTC")] == [None] * 5


def test_a_day_without_entries_is_drawn_as_none() -> None:
    columns = ("day", "entered", "open", "finished", "failed", "converted")
    plot = daily(Answered("", columns, [(date(2026, 11, 1), 3, 1, 2, 0, 0), (date(2026, 11, 3), 1, 1, 0, 0, 0)]))
    assert plot
    assert plot.option["xAxis"]["data"] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert {line["name"]: line["data"] for line in plot.option["series"]} == {
        "entered": [3, 0, 1],
        "finished": [2, 0, 0],
        "open": [1, 0, 1],
    }


def test_a_day_that_is_not_whole_shows_its_hours() -> None:
    first, second = date(2026, 11, 1), date(2026, 11, 2)
    rows = [("a", first, 19, 19), ("a", second, 24, 0), ("b", second, 24, 7)]
    strip = days(Answered("", ("stream", "day", "hours_expected", "hours_landed"), rows))
    assert strip
    cells = strip.option["series"][0]["data"]
    assert [(cell["value"], cell["label"]["show"]) for cell in cells] == [
        ([0, 0, 2], False),
        ([1, 0, 0], True),
        ([1, 1, 1], True),
    ]
    assert strip.says == "2 days are not whole."


def test_a_label_is_one_short_line() -> None:
    assert [label(name) for name in (" two\nlines ", "", None)] == ["two lines", "(no name)", "(no name)"]
    assert len(label("x" * 300)) < 50


def test_a_name_of_several_journeys_is_refused_with_their_ids() -> None:
    journeys = [Journey("sfmc", "r1", " Hello\nyou"), Journey("apsis", "r2", "Hello you"), Journey("sfmc", "r3", "Bye")]
    with pytest.raises(ConfigError, match=r"2 journeys are called 'Hello you'.*: sfmc/r1, apsis/r2\."):
        find_journey(journeys, "Hello you")
    found = [find_journey(journeys, name).root for name in ("apsis/Hello you", "r1", "sfmc/r3", "Bye")]
    assert found == ["r2", "r1", "r3", "r3"]


def test_a_spreadsheet_takes_no_text_of_a_proof_for_a_formula() -> None:
    lines = [Line("s", "p", "complete", says=says, difference=-1) for says in ("=1+1", "@x", "+1", "-1", "plain")]
    rows = list(csv.DictReader(io.StringIO(proof_csv(Proof(lines, [], [], "")))))
    assert [row["says"] for row in rows] == ["'=1+1", "'@x", "'+1", "'-1", "plain"]
    assert rows[0]["difference"] == "-1"


def test_the_thumbnail_is_an_image_without_script() -> None:
    image = ET.fromstring(thumbnail(steps(12)))  # noqa: S314 - our own
    assert {element.tag.partition("}")[2] for element in image.iter()} == {"svg", "text", "rect"}
