"""The client and the reader against the simulated vendor: whatever an answer looks like, it tells the same events."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from journey_pipeline.model import Window, partition_window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.layerfive.options import OddKind
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world.world import World
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.layerfive.client import LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.stream import CustomerJourneys, customer_journeys_stream
from journey_pipeline.vendors.source import Part
from journey_pipeline_tests.vendors.made_journeys import PARTITION, MadeJourneys

pytestmark = pytest.mark.slow(reason="answers of each shape, from HTTP to events")

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
WINDOW = partition_window(PARTITION)
FAST = Limits(requests_per_s=1e9, concurrency=1)
MEANT = "contact_id, vendor_action, channel, action, journey_name, activity_name"
ODD: tuple[OddKind, ...] = (
    "text",
    "nul",
    "number_as_string",
    "null",
    "missing",
    "impossible_time",
    "no_time",
    "no_person",
    "nested",
)
WHOLE_SECONDS = {"epoch s", "blank"}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    world = World(rows_per_hour=20, contacts=500, steady=True, touchpoints_per_day=300)
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    running.options.change(SandboxOptions().model_dump_json().encode())
    running.calls.clear()
    return running


def source_of(settings: MappingSettings | None = None) -> CustomerJourneys:
    stream = customer_journeys_stream("layerfive", WINDOW.start, settings)
    return CustomerJourneys(LayerFiveClient("layerfive", limits=FAST), stream)


def loaded(home: Path, settings: MappingSettings | None = None) -> tuple[MadeJourneys, list[Part]]:
    """The day as it is downloaded now, and what was downloaded."""
    source = source_of(settings)
    parts: list[Part] = []
    while not parts or parts[-1].next_page:
        to = home / f"{len(parts)}.json.gz"
        parts.append(source.download(source.plan(WINDOW), Place(to), estimate=None, after=parts[-1] if parts else None))
    source.close()
    made = MadeJourneys(home, settings or MappingSettings()).land(
        *[gzip.decompress(part.path.read_bytes()) for part in parts]
    )
    assert made.normalize().unaccounted == 0
    return made, parts


def truth_count(sandbox: Sandbox) -> int:
    return sandbox.layerfive.count(Window(WINDOW.start.replace(day=18), WINDOW.end))


SHAPES: dict[str, dict[str, Any]] = {
    "array name": {"array": "customer_journeys"},
    "top-level array": {"array": None},
    "two arrays": {"second_array": "warnings"},
    "lines": {"ndjson": True},
    "pages": {"page_size": 97},
    "relative pages": {"page_size": 97, "next_link": "relative"},
    "slash": {"slash": "required"},
    "mark": {"bom": True},
    "length": {"transfer": "content_length"},
    "no count": {"count": "none"},
}


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_shape_of_an_answer_gives_the_same_events(sandbox: Sandbox, tmp_path: Path, shape: str) -> None:
    expected, _ = loaded(tmp_path / "default")
    sandbox.options.change(SandboxOptions(layerfive=SHAPES[shape]).model_dump_json().encode())
    made, parts = loaded(tmp_path / "shape")
    assert sum(part.rows for part in parts) == truth_count(sandbox)
    assert (len(parts) > 2) is ("pages" in shape)
    assert sorted(made.events("event_key")) == sorted(expected.events("event_key"))
    if shape not in {"no count", "top-level array", "lines", "pages", "relative pages"}:
        assert [part.promised_rows for part in parts] == [parts[0].rows]


SPELLINGS: dict[str, tuple[dict[str, Any], MappingSettings]] = {
    "nested": ({"nested_under": "touchpoints"}, MappingSettings()),
    "epoch s": ({"time_format": "epoch_s"}, MappingSettings()),
    "epoch ms": ({"time_format": "epoch_ms"}, MappingSettings()),
    "epoch us": ({"time_format": "epoch_us"}, MappingSettings()),
    "zoneless": (
        {"time_format": "zoneless", "timezone": "Europe/Berlin"},
        MappingSettings(timezone="Europe/Berlin"),
    ),
    "blank": ({"time_format": "space"}, MappingSettings()),
    "declared": (
        {"field_names": {"event_time": "hit_time", "individual_id": "person.key"}},
        MappingSettings(fields={"occurred_at": "hit_time", "contact_id": "person.key"}),
    ),
    "declared places": (
        {"array": "rows", "nested_under": "hits", "second_array": "results"},
        MappingSettings(records="rows", events="hits"),
    ),
    "other common names": (
        {"field_names": {"event_time": "Timestamp", "individual_id": "personID", "event_type": "Event-Name"}},
        MappingSettings(),
    ),
}


@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_every_spelling_of_the_fields_means_the_same_events(sandbox: Sandbox, tmp_path: Path, spelling: str) -> None:
    options, settings = SPELLINGS[spelling]
    sandbox.options.layerfive.timezone = settings.timezone
    expected, _ = loaded(tmp_path / "default", MappingSettings(timezone=settings.timezone))
    sandbox.options.change(SandboxOptions(layerfive=options).model_dump_json().encode())
    made, _ = loaded(tmp_path / "spelled", settings)
    unit = "second" if spelling in WHOLE_SECONDS else "microsecond"
    columns = f"date_trunc('{unit}', occurred_at)::varchar, {MEANT}"
    assert sorted(made.events(columns), key=str) == sorted(expected.events(columns), key=str)


def test_odd_records_are_events_or_rejects_and_nothing_is_lost(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.options.layerfive.odd = ODD
    sandbox.options.layerfive.odd_one_in = 5
    made, parts = loaded(tmp_path)
    rejects = dict(made.rejects("distinct reason, 1"))
    assert set(rejects) == {"unreadable time", "no time", "no person"}
    ((events,),) = made.events("count(*)")
    assert events + len(made.rejects()) == sum(part.rows for part in parts)
    nul = "contains(journey_name, chr(0))"
    nested = "properties->>'$.device.os.name' = 'ios'"
    assert made.events(f"bool_or({nul}), bool_or({nested}), bool_or(properties->>'quantity' = '007')") == [(True,) * 3]


def test_values_of_a_megabyte_come_through(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.options.layerfive.odd = ("big_value",)
    sandbox.options.layerfive.odd_one_in = 40
    made, _ = loaded(tmp_path)
    assert made.events("max(strlen(coalesce(properties->>'page_url', activity_name))) > 900_000") == [(True,)]


@pytest.mark.parametrize("unknown", ["404", "empty"])
def test_a_person_gives_events_with_the_keys_of_the_delta(sandbox: Sandbox, tmp_path: Path, unknown: str) -> None:
    sandbox.options.change(SandboxOptions(layerfive={"unknown_person": unknown}).model_dump_json().encode())
    delta, _ = loaded(tmp_path / "delta")
    email, contact = delta.events("email, contact_id")[0]
    source = source_of()
    part = source.person(str(email).upper(), tmp_path / "person.gz")
    nobody = source.person("nobody+x@example.org", tmp_path / "nobody.gz")
    source.close()
    person = MadeJourneys(tmp_path / "person").land(gzip.decompress(part.path.read_bytes()))
    person.normalize()
    assert {found for (found,) in person.events("contact_id")} == {contact}
    known = {key for key, who in delta.events("event_key, contact_id") if who == contact}
    assert known <= {key for (key,) in person.events("event_key")}
    assert nobody.rows == 0


@pytest.mark.usefixtures("sandbox")
def test_a_check_tells_what_is_read_from_the_default_shape() -> None:
    source = source_of()
    told = source.check()
    source.close()
    assert told["occurred_at"] == "from event_time"
    assert told["contact_id"] == "from individual_id"
