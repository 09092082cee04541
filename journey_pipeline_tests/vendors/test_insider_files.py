"""The file behind a link of Insider, over real HTTP: what lands and in which form, and what is tried again."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from journey_pipeline.errors import ContractError, ExportExpired, TransientVendorError, VendorError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.insider.orders import read_order
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.response import Place
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline.vendors.source import Part, Plan, Ticket

NOW = datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
DAY = Window(datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    world = World(rows_per_hour=20, contacts=50, steady=True)
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    running.faults.clear()
    running.calls.clear()
    running.clock.freeze(NOW)
    running.options.change(SandboxOptions().model_dump_json().encode())
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSIDER_REQUESTS_PER_SECOND", "500")
    with no_waiting():
        yield running


def switch(sandbox: Sandbox, **options: object) -> None:
    sandbox.options.change(json.dumps({"insider": options}).encode())


def link(sandbox: Sandbox, form: str = "parquet") -> str:
    """A link to the file of one day."""
    wanted = [
        {"event_name": "journey_enter", "params": ["journey_id", "name", "timestamp"]},
        {"event_name": "journey_product_action", "params": ["journey_id", "action_code", "timestamp"]},
    ]
    asked = {
        "segment": {"segment_id": 48213},
        "attributes": ["email"],
        "events": {
            "start_date": int(DAY.start.timestamp()),
            "end_date": int(DAY.end.timestamp()),
            "wanted": wanted,
        },
        "format": form,
        "hook": "https://example.com/hook",
    }
    options = sandbox.options.of("insider")
    made = read_order(json.dumps(asked).encode(), options, now=sandbox.clock.now())  # type: ignore[arg-type]
    return str(sandbox.insider.link(made, sandbox.url))


def fetch(sandbox: Sandbox, address: str, folder: Path) -> Part:
    stream = user_events_stream("insider", DAY.start)
    opened = UserEvents(InsiderClient("insider"), stream, Choice(), now=sandbox.clock.now)
    try:
        plan = Plan(DAY, opened.request(DAY))
        place = folder / f"part-0.{stream.recipe.extension}"
        return opened.fetch(Ticket(poll_address=address), plan, Place(place, evidence=folder / "evidence.txt"))
    finally:
        opened.close()


def failed(sandbox: Sandbox, address: str, folder: Path) -> VendorError:
    with pytest.raises(VendorError) as caught:
        fetch(sandbox, address, folder)
    assert sorted(path.name for path in folder.iterdir() if path.name != "evidence.txt") == []
    return caught.value


def test_parquet_lies_as_it_came_and_text_as_gzip(sandbox: Sandbox, tmp_path: Path) -> None:
    part = fetch(sandbox, link(sandbox), tmp_path)
    assert part.path.name == "part-0.parquet"
    assert pq.read_metadata(part.path).num_rows == part.rows > 100
    for form in ("csv", "json"):
        packed = fetch(sandbox, link(sandbox, form), tmp_path)
        assert packed.path.name == f"part-0.{form}.gz"
        assert len(gzip.decompress(packed.path.read_bytes())) == packed.raw_bytes
        assert packed.rows == part.rows
        assert {"iid", "event_name", "e_timestamp"} <= set(packed.columns)


def test_the_format_is_told_by_the_first_bytes_and_not_by_the_name(sandbox: Sandbox, tmp_path: Path) -> None:
    switch(sandbox, json_layout="lines", file_encoding="gzip")
    part = fetch(sandbox, link(sandbox, "json"), tmp_path)
    assert (part.path.name, part.received_as) == ("part-0.json.gz", "gzip")
    parquet = fetch(sandbox, link(sandbox, "parquet"), tmp_path)
    assert (parquet.path.name, parquet.received_as) == ("part-0.parquet", "gzip")
    assert pq.read_metadata(parquet.path).num_rows == part.rows


def test_a_file_that_breaks_off_goes_on_where_it_ended(sandbox: Sandbox, tmp_path: Path) -> None:
    address = link(sandbox)
    whole = fetch(sandbox, address, tmp_path)
    sandbox.calls.clear()
    sandbox.faults.add("insider/file:cut_byte=3000@1")
    part = fetch(sandbox, address, tmp_path)
    assert part.sha256 == whole.sha256
    first, second = sandbox.calls.to("file")
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=3000-"
    assert second.status == 206


def test_the_token_goes_to_the_vendors_own_routes_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    fetch(sandbox, link(sandbox), tmp_path)
    (call,) = sandbox.calls.to("file")
    assert not {"x-request-token", "x-partner-name", "authorization"} & set(call.headers)


def test_a_link_that_has_ended_is_not_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    address = link(sandbox)
    sandbox.clock.move(timedelta(days=1))
    error = failed(sandbox, address, tmp_path)
    assert isinstance(error, ExportExpired)
    assert "the link ended at 2026-03-09 00:30 UTC" in str(error)
    assert sandbox.calls.count("file") == 0


def test_a_refusal_before_a_links_end_is_worth_another_try(sandbox: Sandbox, tmp_path: Path) -> None:
    address = link(sandbox)
    error = failed(sandbox, address.replace("X-Amz-Signature=", "X-Amz-Signature=0"), tmp_path)
    assert isinstance(error, TransientVendorError)
    assert error.status == 403
    assert "until its link ends at 2026-03-09 00:30 UTC" in str(error)
    assert address.partition("X-Amz-Signature=")[2] not in str(error)
    assert sandbox.calls.count("file") == 1


def test_a_redirect_is_not_followed(sandbox: Sandbox, tmp_path: Path) -> None:
    switch(sandbox, redirects=True)
    assert isinstance(failed(sandbox, link(sandbox), tmp_path), TransientVendorError)
    assert [call.status for call in sandbox.calls.to("file")] == [307]


@pytest.mark.parametrize("kind", ["html_200", "json_200"])
@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_page_in_place_of_a_file_is_evidence(sandbox: Sandbox, tmp_path: Path, kind: str, form: str) -> None:
    sandbox.faults.add(f"insider/file:{kind}")
    error = failed(sandbox, link(sandbox, form), tmp_path)
    assert isinstance(error, ContractError)
    assert (tmp_path / "evidence.txt").exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_file_that_is_cut_and_called_whole_is_no_file(sandbox: Sandbox, tmp_path: Path, form: str) -> None:
    sandbox.faults.add("insider/file:cut_file")
    assert isinstance(failed(sandbox, link(sandbox, form), tmp_path), TransientVendorError | ContractError)


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_file_without_a_time_names_the_columns_that_it_has(sandbox: Sandbox, tmp_path: Path, form: str) -> None:
    switch(sandbox, missing_column="e_timestamp")
    error = failed(sandbox, link(sandbox, form), tmp_path)
    assert isinstance(error, ContractError)
    assert "lacks e_timestamp" in str(error)
    assert "e_journey_id" in str(error)


@pytest.mark.parametrize("rows", ["none", "header"])
@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_a_file_without_a_row_is_a_file(sandbox: Sandbox, tmp_path: Path, form: str, rows: str) -> None:
    switch(sandbox, rows=rows)
    assert fetch(sandbox, link(sandbox, form), tmp_path).rows == 0
