"""The simulated Insider as its contract says: who may order, what a day takes, links that end, files that go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.insider.orders import read_order
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World

NOW = datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
DAY = Window(datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
HEADERS = {"X-PARTNER-NAME": "acmeshop", "X-REQUEST-TOKEN": "sandbox-ucd-key"}
ENTERED = {"event_name": "journey_enter", "params": ["journey_id", "name", "timestamp"]}
ORDER: dict[str, Any] = {
    "segment": {"segment_id": 48213},
    "attributes": ["email"],
    "events": {"start_date": 1772841600, "end_date": 1772928000, "wanted": [ENTERED]},
    "format": "csv",
    "hook": "http://127.0.0.1:9/hook",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    world = World(rows_per_hour=20, contacts=50, steady=True, late_share=0.2)
    with serve(world, clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.faults.clear()
    running.clock.freeze(NOW)
    running.insider.forget()
    running.options.change(SandboxOptions(insider={"call": "no_call"}).model_dump_json().encode())
    return running


def order(sandbox: Sandbox, headers: dict[str, str] | None = None, **changes: Any) -> requests.Response:
    body = {name: value for name, value in {**ORDER, **changes}.items() if value is not None}
    url = f"{sandbox.url}/insider/api/raw/v1/export"
    return requests.post(url, json=body, headers=HEADERS if headers is None else headers, timeout=30)


def link(sandbox: Sandbox, **changes: Any) -> str:
    options: Any = sandbox.options.of("insider")
    made = read_order(json.dumps({**ORDER, **changes}).encode(), options, now=sandbox.clock.now())
    return str(sandbox.insider.link(made, sandbox.url))


def test_an_order_is_answered_with_nothing(sandbox: Sandbox) -> None:
    answer = order(sandbox)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("headers", "changes", "status", "says"),
    [
        ({}, {}, 400, "partner must be defined"),
        ({"X-PARTNER-NAME": "acmeshop"}, {}, 400, "token must be defined"),
        ({**HEADERS, "X-PARTNER-NAME": "AcmeShop"}, {}, 403, "authentication failed"),
        (HEADERS, {"segment": {"segment_id": 48214}}, 400, "segment_id"),
        (HEADERS, {"attributes": None, "events": None}, 400, "attributes or events"),
        (HEADERS, {"events": {"start_date": 1772841600000, "end_date": 1772928000000}}, 400, "seconds"),
        (HEADERS, {"events": {**ORDER["events"], "wanted": [{**ENTERED, "filters": [{}, {}]}]}}, 400, "filters"),
        (HEADERS, {"format": "CSV"}, 400, "format"),
        (HEADERS, {"hook": "example.com/hook"}, 400, "invalid hook"),
    ],
)
def test_a_wrong_order_is_refused_by_name_and_costs_no_request(
    sandbox: Sandbox, headers: dict[str, str], changes: dict[str, Any], status: int, says: str
) -> None:
    refused = order(sandbox, headers, **changes)
    assert refused.status_code == status
    assert says in refused.json()["error"]
    assert order(sandbox).status_code == 200


def test_a_day_takes_one_order_by_the_clock_of_utc(sandbox: Sandbox) -> None:
    sandbox.clock.set(DAY.end - timedelta(seconds=1))
    assert [order(sandbox).status_code for _ in range(2)] == [200, 429]
    sandbox.clock.set(DAY.end)
    assert [order(sandbox).status_code for _ in range(2)] == [200, 429]


def test_a_link_is_a_presigned_get_that_ends(sandbox: Sandbox) -> None:
    address = link(sandbox)
    assert "/acmeshop/p/2026-03-08T00%3A29%3A33." in address
    whole = requests.get(address, timeout=30)
    assert whole.status_code == 200
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    assert whole.text.startswith("a_email,event_name,e_journey_id,e_name,e_timestamp,iid\n")
    tag = {"Range": "bytes=100-", "If-Match": whole.headers["ETag"]}
    rest = requests.get(address, headers=tag, timeout=30)
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    assert rest.headers["Content-Range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    assert requests.get(address, headers={**tag, "If-Match": '"other"'}, timeout=30).status_code == 412
    assert requests.get(address, headers={**tag, "If-Range": '"other"'}, timeout=30).status_code == 200
    assert requests.head(address, timeout=30).status_code == 403
    for altered in (address.replace("acmeshop", "other"), address.replace("86400", "99999"), f"{address}0"):
        assert "SignatureDoesNotMatch" in requests.get(altered, timeout=30).text
    sandbox.clock.move(timedelta(days=1))
    ended = requests.get(address, timeout=30)
    assert (ended.status_code, "Request has expired" in ended.text) == (403, True)


def test_late_arrivals_are_in_later_exports_alone(sandbox: Sandbox) -> None:
    early = {tuple(sorted(map(str, one.items()))) for one in sandbox.insider.truth(DAY, DAY.end)}
    late = {tuple(sorted(map(str, one.items()))) for one in sandbox.insider.truth(DAY, DAY.end + timedelta(days=3))}
    assert early < late


def test_each_oddity_of_a_file_can_be_switched_on(sandbox: Sandbox) -> None:
    def switched(**options: object) -> str:
        sandbox.options.change(json.dumps({"insider": options}).encode())
        wanted = [{**ENTERED, "params": ["journey_id", "name", "is_dry_run", "timestamp"]}]
        wanted.append({"event_name": "journey_product_action", "params": ["channel_code", "action_code", "timestamp"]})
        text = requests.get(link(sandbox, events={**ORDER["events"], "wanted": wanted}), timeout=30).text
        sandbox.options.change(SandboxOptions().model_dump_json().encode())
        return text

    assert ".0," in switched(numbers="float")
    assert "***@" in switched(masked=True)
    assert ",XX,99," in switched(unknown_codes=True)
    assert switched(extra_column="fresh").partition("\n")[0].endswith(",iid,fresh")
    assert "iid" not in switched(missing_column="iid").partition("\n")[0]
    assert ",1," in switched(dry_run_one_in=2)
    assert switched(rows="header").count("\n") == 1
    assert switched(rows="none") == ""


def test_metadata_lists_events_with_parameters_and_attributes(sandbox: Sandbox) -> None:
    def listed(table: str) -> Any:
        url = f"{sandbox.url}/insider/api/user/v3/metadata/columns"
        return requests.post(url, json={"table": table}, headers=HEADERS, timeout=30).json()

    shown = {one["key"]: one["display_name"] for one in listed("events")}
    assert shown["journey_enter"] == "Journey Enter"
    assert {one["key"] for one in listed("contacts")} >= {"email", "c_loyalty_tier"}
    assert listed("tables")["error"].startswith("table must be")


def test_version_2_refuses_internal_names_as_sent_and_tells_how_far_an_export_is(sandbox: Sandbox) -> None:
    def second(**changes: Any) -> requests.Response:
        return requests.post(
            f"{sandbox.url}/insider/api/raw/v2/export", json={**ORDER, **changes}, headers=HEADERS, timeout=30
        )

    refused = second(attributes=["c_loyalty_tier"])
    assert (refused.status_code, refused.json()) == (400, {"error": "unknown attribute selector: c_loyalty_tier"})
    taken = second(attributes=["custom.loyalty_tier"])
    assert (taken.status_code, taken.json()["status"]) == (202, "queued")
    address = f"{sandbox.url}/insider/api/raw/v2/export/{taken.json()['export_id']}"
    states = []
    for _ in range(4):
        states.append(requests.get(address, headers=HEADERS, timeout=30).json())
        sandbox.clock.move(timedelta(seconds=1))
    assert [said["status"] for said in states] == ["queued", "estimating", "running", "completed"]
    assert requests.get(f"{address}0", headers=HEADERS, timeout=30).status_code == 404
    (people,), (events,) = states[-1]["attribute_files"], states[-1]["event_files"]
    assert requests.get(people["url"], timeout=30).text.startswith("insider_id,custom.loyalty_tier\n")
    header = requests.get(events["url"], timeout=30).text.partition("\n")[0]
    assert header == "event_name,journey_id,name,timestamp,insider_id"
