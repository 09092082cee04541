"""Where the records of an answer are, and the events of a record, as the connection declares it: over HTTP."""

from __future__ import annotations

import gzip
import json as jsonlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.components.layerfive import LayerFiveCustomerJourneys
from journey_pipeline.errors import ConfigError, ContractError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome, judge, make_events
from journey_pipeline.model import Granularity, partition_window
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import Limits, no_waiting
from journey_pipeline.vendors.layerfive.client import ROUTE, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline_tests.reading import read_parquet
from journey_pipeline_tests.transport.flaky_server import FlakyServer, json
from journey_pipeline_tests.vendors.made_journeys import AT, KEY, PARTITION, MadeJourneys

WINDOW = partition_window(PARTITION)
FAST = Limits(requests_per_s=1e9, concurrency=1)
BOTH = MappingSettings(records="data.rows", events="hits", known_fields=("n",))


def hits(person: str, *numbers: int) -> dict[str, Any]:
    """A person with some events."""
    return {"individual_id": person, "hits": [{"event_time": AT, "n": number} for number in numbers]}


def placed(*rows: Any, **beside: Any) -> dict[str, Any]:
    """An answer whose records are at `data.rows`, with other arrays that are no records."""
    return {"count": len(rows), "data": {"hints": [{"event_time": AT}], "rows": rows, **beside}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyServer]:
    server = FlakyServer()
    monkeypatch.setenv("LAYERFIVE_URL", server.url)
    monkeypatch.setenv("LAYERFIVE_API_KEY", "a-key")
    with no_waiting():
        yield server
    server.close()


def source_of(settings: MappingSettings) -> CustomerJourneys:
    stream = customer_journeys_stream("layerfive", WINDOW.start, settings)
    return CustomerJourneys(LayerFiveClient("layerfive", limits=FAST), stream)


def load(home: Path, settings: MappingSettings) -> PartitionOutcome:
    """Asks for the day."""
    (outcome,) = LoadAtOnce(
        lake=Lake(home),
        stream=customer_journeys_stream("layerfive", WINDOW.start, settings),
        windows=[WINDOW],
        settings=LoadSettings(),
        open=lambda: source_of(settings),
        kept_since=None,
        now=lambda: WINDOW.end + 3 * Granularity.HOUR.duration,
    ).outcomes()
    return outcome


def normalized(home: Path, settings: MappingSettings) -> list[str]:
    """Makes events of what has landed, and says which claims do not hold."""
    lake, stream = Lake(home), customer_journeys_stream("layerfive", WINDOW.start, settings)
    landing, events = make_events(lake, stream, WINDOW, LoadSettings())
    return [claim.says for claim in judge(lake, stream, landing, events, LoadSettings()) if not claim.holds]


def events(home: Path) -> list[tuple[Any, ...]]:
    path = Lake(home).events_file(KEY, PARTITION)
    return sorted(read_parquet(path, "contact_id, properties->>'n'")) if path.exists() else []


ALL = [("p-1", "1"), ("p-1", "2"), ("p-2", "3")]


def test_declared_places_are_where_records_and_events_are_counted_and_read_in_pages_too(
    server: FlakyServer, tmp_path: Path
) -> None:
    server.on(ROUTE, json(placed(hits("p-0"), hits("p-1", 1, 2), next="/page-2", count=3)))
    server.on("/page-2", json(placed(hits("p-2", 3))))
    outcome = load(tmp_path, BOTH)
    assert outcome.error is None
    assert outcome.landing is not None
    assert outcome.events is not None
    assert [file.rows for file in outcome.landing.attempts[-1].files] == [2, 1]
    assert [claim.says for claim in outcome.claims if not claim.holds] == []
    assert (outcome.events.landed, outcome.events.unaccounted, events(tmp_path)) == (3, 0, ALL)
    (mapping,) = outcome.events.mappings
    assert (mapping["records"], mapping["events"]) == ("data.rows", "hits")
    assert mapping["occurred_at"] == "event_time"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (MappingSettings(), "`records: data.rows`"),
        (MappingSettings(records="data.lines", events="hits"), "members: count, data, data.hints, data.rows"),
        (MappingSettings(records="rows", events="hits"), "no array at rows"),
        (
            MappingSettings(records="data.rows", events="steps"),
            "first 2 records has an array steps",
        ),
    ],
)
def test_what_is_declared_wrong_lands_and_is_told_and_once_corrected_normalize_is_enough(
    server: FlakyServer, tmp_path: Path, wrong: MappingSettings, told: str
) -> None:
    server.on(ROUTE, json(placed(hits("p-1", 1, 2), hits("p-2", 3))))
    error = load(tmp_path, wrong).error
    assert isinstance(error, ContractError)
    assert told in str(error)
    assert "it has landed" in str(error)
    assert events(tmp_path) == []
    assert normalized(tmp_path, BOTH) == []
    assert events(tmp_path) == ALL
    assert server.count(ROUTE) == 1


def test_a_declared_array_of_events_that_no_record_has_is_an_error_although_the_records_could_be_mapped(
    server: FlakyServer, tmp_path: Path
) -> None:
    server.on(ROUTE, json([{"individual_id": f"p-{n}", "event_time": AT, "hits": "none"} for n in range(3)]))
    error = load(tmp_path, MappingSettings(events="hits")).error
    assert isinstance(error, ContractError)
    assert "none of the answer's 3 records has an array hits, which `events` in defs.yaml declares" in str(error)


@pytest.mark.parametrize(
    "body", [b'[{"individual_id": "p-1"}]', b'{"individual_id": "p-1"}\n{"individual_id": "p-2"}\n']
)
def test_records_elsewhere_than_declared_are_none(server: FlakyServer, tmp_path: Path, body: bytes) -> None:
    server.on(ROUTE, [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body])
    error = load(tmp_path, BOTH).error
    assert isinstance(error, ContractError)
    assert "elsewhere than at data.rows" in str(error)
    assert "p-1" not in str(error)


@pytest.mark.parametrize("answer", [[], placed(), {"data": None}, placed(hits("p-1"), {**hits("p-2"), "hits": None})])
def test_an_empty_answer_lacks_nothing_that_is_declared(server: FlakyServer, tmp_path: Path, answer: Any) -> None:
    server.on(ROUTE, json(answer))
    outcome = load(tmp_path, BOTH)
    assert outcome.error is None
    assert [claim.says for claim in outcome.claims if not claim.holds] == []
    assert events(tmp_path) == []


def test_persons_without_events_before_the_first_that_has_one_hide_no_field(tmp_path: Path) -> None:
    rows = [hits(f"p-{number}") for number in range(1500)] + [hits("q-1", 1), hits("q-2", 2)]
    made = MadeJourneys(tmp_path, BOTH).land(jsonlib.dumps(placed(*rows)).encode())
    assert made.normalize().unaccounted == 0
    assert events(tmp_path) == [("q-1", "1"), ("q-2", "2")]


def test_the_pages_of_a_person_are_one_file_that_is_read_alike(server: FlakyServer, tmp_path: Path) -> None:
    server.on(ROUTE, json(placed(hits("p-1", 1), next="/page-2")))
    server.on("/page-2", json(placed(hits("p-1", 2))))
    source = source_of(BOTH)
    part = source.person("ana@example.org", tmp_path / "person.json.gz")
    source.close()
    assert part.rows == 2
    MadeJourneys(tmp_path, BOTH).land(gzip.decompress(part.path.read_bytes())).normalize()
    assert events(tmp_path) == ALL[:2]


def test_a_check_tells_of_declared_places_and_doubts_an_array_that_no_record_has(server: FlakyServer) -> None:
    server.on(ROUTE, json(placed({"individual_id": "p-1", "event_time": AT})))
    source = source_of(BOTH)
    told = source.check()
    assert told["records"] == "at data.rows (declared)"
    assert told["events"] == "at hits (declared), which none of them has"
    server.on(ROUTE, json([{"individual_id": "p-1", "event_time": AT}]))
    with pytest.raises(ContractError, match="elsewhere than at"):
        source.check()
    source.close()


def test_without_declared_places_events_are_made_by_the_recipe_of_earlier_versions() -> None:
    assert MappingSettings().digest == "a434a40e641a53bc"
    places = MappingSettings(records="hits"), MappingSettings(events="hits")
    assert len({MappingSettings().digest, *(one.digest for one in places)}) == 3


def test_the_component_hands_declared_places_to_the_one_who_counts_and_the_one_who_reads(
    server: FlakyServer, tmp_path: Path
) -> None:
    declared = {"start": "2026-11-01-00:00", "records": "data.rows", "events": "hits"}
    source = LayerFiveCustomerJourneys.resolve_from_dict(declared).open_people()
    server.on(ROUTE, json(placed(hits("p-1", 1, 2))))
    assert source.download(source.plan(WINDOW), Place(tmp_path / "part-0.json.gz"), estimate=None).rows == 2
    assert source.stream.recipe.records_at == {"records": "data.rows", "events": "hits"}
    source.close()


@pytest.mark.parametrize("wrong", [{"records": "data..rows"}, {"records": "."}, {"events": "person.hits"}])
def test_a_place_that_can_be_none_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="names an array"):
        MappingSettings(**wrong)
