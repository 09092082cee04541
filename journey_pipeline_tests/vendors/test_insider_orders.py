"""An order of Insider over real HTTP: what is asked for, what is not risked for it, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from journey_pipeline.errors import (
    ConfigError,
    NotSentError,
    PermanentVendorError,
    TransientVendorError,
    VendorError,
)
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline.vendors.insider.client import COLUMNS, InsiderClient
from journey_pipeline.vendors.insider.user_events.stream import Choice, UserEvents, user_events_stream
from journey_pipeline.vendors.source import Plan, Ticket
from journey_pipeline_tests.transport.flaky_server import FlakyServer
from journey_pipeline_tests.transport.flaky_server import json as json_answer

NOW = datetime(2026, 3, 8, 0, 30, tzinfo=UTC)
WEEK = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
NO_RECEIVER = Choice(check_receiver=False)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=0, contacts=10), clock=SandboxClock.frozen(NOW)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    running.faults.clear()
    running.calls.clear()
    running.clock.freeze(NOW)
    running.options.change(SandboxOptions(insider={"call": "no_call"}).model_dump_json().encode())
    running.insider.forget()
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INSIDER_REQUESTS_PER_SECOND", "500")
    with no_waiting():
        yield running


def source(sandbox: Sandbox, choice: Choice = NO_RECEIVER, fingerprint: str = "") -> UserEvents:
    stream = user_events_stream("insider", WEEK.start)
    client = InsiderClient("insider")
    return UserEvents(client, stream, choice, fingerprint=lambda: fingerprint, now=sandbox.clock.now)


def order(sandbox: Sandbox, choice: Choice = NO_RECEIVER, fingerprint: str = "") -> Ticket:
    opened = source(sandbox, choice, fingerprint)
    try:
        return opened.order(Plan(WEEK, opened.request(WEEK)), "nonce-1")
    finally:
        opened.close()


def refused(sandbox: Sandbox, choice: Choice = NO_RECEIVER) -> VendorError:
    with pytest.raises(VendorError) as caught:
        order(sandbox, choice)
    return caught.value


def test_one_order_carries_all_journeys_events_and_attributes_of_a_window(sandbox: Sandbox) -> None:
    choice = Choice(
        events={"product_view": ["color"]},
        parameters=["c_experiment"],
        filters={"journey_enter": {"key": "journey_id", "operator": "eq", "values": [5756]}},
        check_receiver=False,
    )
    assert order(sandbox, choice).status == 200
    (call,) = sandbox.calls.to("order")
    journey, more = ["journey_id", "name", "reason"], ["timestamp", "c_experiment"]
    assert call.body == {
        "segment": {"segment_id": 48213},
        "attributes": ["email"],
        "events": {
            "start_date": 1772323200,
            "end_date": 1772928001,
            "wanted": [
                {
                    "event_name": "journey_enter",
                    "params": [*journey, "is_dry_run", *more],
                    "filters": [{"key": "journey_id", "operator": "eq", "values": [5756]}],
                },
                {"event_name": "journey_exited", "params": [*journey, "event_code", "is_dry_run", *more]},
                {
                    "event_name": "journey_product_action",
                    "params": ["journey_id", "campaign_id", "channel_code", "action_code", "is_dry_run", *more],
                },
                {"event_name": "product_view", "params": ["color", "timestamp"]},
            ],
        },
        "format": "parquet",
        "hook": "http://127.0.0.1:8770/nonce-1",
    }
    assert (call.headers["x-partner-name"], call.headers["content-type"]) == ("acmeshop", "application/json")


def test_names_are_those_of_the_account(sandbox: Sandbox) -> None:
    sandbox.options.change(b'{"insider": {"event_names": "entered", "name_parameter": "journey_campaign_name"}}')
    order(sandbox)
    (call,) = sandbox.calls.to("order")
    wanted = {one["event_name"]: one["params"] for one in call.body["events"]["wanted"]}
    assert list(wanted) == ["journey_entered", "journey_exit", "journey_product_action"]
    assert "journey_campaign_name" in wanted["journey_entered"]


@pytest.mark.parametrize("event", ["enter", "exit", "message"])
def test_a_missing_event_stops_before_a_request_is_spent_and_lists_what_the_account_has(
    sandbox: Sandbox, event: str
) -> None:
    sandbox.options.change(json.dumps({"insider": {"lacks_event": event}}).encode())
    with pytest.raises(ConfigError, match="product_view"):
        order(sandbox)
    assert sandbox.calls.count("order") == 0


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("INSIDER_PARTNER_NAME", "AcmeShop", "lower case"),
        ("INSIDER_PARTNER_NAME", "", "not set"),
        ("INSIDER_SEGMENT_ID", "vip", "number of a dynamic segment"),
        ("INSIDER_WEBHOOK_URL", "example.com/hooks", "https address"),
        ("INSIDER_WEBHOOK_URL", "http://93.184.216.34/hooks", "https address"),
        ("INSIDER_FORMAT", "CSV", "parquet, csv, json"),
        ("INSIDER_ATTRIBUTES", "email,", "names of attributes"),
        ("INSIDER_DOWNLOAD_HOSTS", "files.example.com/acmeshop", "no host"),
        ("INSIDER_DOWNLOAD_HOSTS", "*.example.com", "no host"),
    ],
)
def test_a_wrong_variable_is_named_with_its_form_before_anything_is_asked(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=says) as caught:
        order(sandbox)
    assert variable in str(caught.value)
    assert len(sandbox.calls) == 0


@pytest.mark.parametrize("status", ["500", "503"])
def test_a_plain_outage_means_that_none_was_made(sandbox: Sandbox, status: str) -> None:
    sandbox.faults.add(f"insider/order:{status}")
    error = refused(sandbox)
    assert (type(error), error.status) == (TransientVendorError, int(status))
    assert sandbox.calls.count("order") == 1


@pytest.mark.parametrize("kind", ["504", "520", "reset", "refuse", "order_then_reset"])
def test_where_a_gateway_or_nothing_answers_one_may_have_been_made(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.add(f"insider/order:{kind}")
    error = refused(sandbox)
    assert isinstance(error, TransientVendorError)
    assert not isinstance(error, NotSentError)
    assert error.status is None
    assert sandbox.calls.count("order") == 1


def test_where_no_connection_came_about_nothing_was_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDER_URL", "http://127.0.0.1:9")
    assert isinstance(refused(sandbox), NotSentError)


@pytest.mark.parametrize("kind", ["500", "reset", "html_200", "json_200", "429_long"])
def test_trouble_with_the_names_costs_no_request(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.add(f"insider/columns:{kind}")
    error = refused(sandbox)
    assert isinstance(error, NotSentError)
    assert "Nothing was ordered" in str(error)
    assert error.retry_after_s == (3600 if kind == "429_long" else None)
    assert sandbox.calls.count("order") == 0


def test_a_limit_of_the_names_that_comes_as_403_costs_no_request_and_is_asked_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(FlakyServer()) as vendor:
        vendor.on(COLUMNS, json_answer({"error": "Request limit exceeded"}, 403))
        monkeypatch.setenv("INSIDER_URL", vendor.url)
        error = refused(sandbox)
    assert (type(error), error.status) == (NotSentError, 429)
    assert "answered 403 (the vendor says: Request limit exceeded)" in str(error)
    assert "REQUEST_TOKEN" not in str(error)


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_sent_once_and_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    sandbox.options.change(json.dumps({"insider": {"refusal": status}}).encode())
    monkeypatch.setenv("INSIDER_REQUEST_TOKEN", "hush-hush-wrong-4711")
    error = refused(sandbox)
    assert isinstance(error, PermanentVendorError)
    assert "INSIDER_REQUEST_TOKEN" in str(error)
    assert "hush-hush" not in str(error)
    assert [call.status for call in sandbox.calls] == [status]


def test_a_refused_order_says_which_field_the_vendor_named(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSIDER_SEGMENT_ID", "48214")
    error = refused(sandbox)
    assert (type(error), error.status) == (PermanentVendorError, 400)
    assert "segment_id must be that of a dynamic segment" in str(error)


@pytest.mark.parametrize("limit_as_403", [False, True], ids=["429", "403 with a limit"])
def test_a_day_that_is_used_is_over_until_five_past_midnight_or_as_told(sandbox: Sandbox, limit_as_403: bool) -> None:
    order(sandbox)
    sandbox.options.change(json.dumps({"insider": {"limit_as_403": limit_as_403}}).encode())
    error = refused(sandbox)
    assert (type(error), error.status) == (TransientVendorError, 429)
    assert error.retry_after_s == timedelta(hours=23, minutes=35).total_seconds()
    sandbox.options.change(b'{"insider": {"quota_retry_after_s": 90}}')
    assert refused(sandbox).retry_after_s == 90


def test_a_failed_order_is_not_charged_and_the_day_after_has_one_of_its_own(sandbox: Sandbox) -> None:
    sandbox.faults.add("insider/order:503@1")
    refused(sandbox)
    order(sandbox)
    assert refused(sandbox).status == 429
    sandbox.clock.move(timedelta(days=1))
    order(sandbox)


@pytest.mark.parametrize("webhook", ["http://127.0.0.1:9", "the vendor itself"])
def test_nothing_is_asked_while_the_receiver_is_not_there(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, webhook: str
) -> None:
    monkeypatch.setenv("INSIDER_WEBHOOK_URL", webhook if "://" in webhook else f"{sandbox.url}/insider")
    error = refused(sandbox, Choice())
    assert isinstance(error, NotSentError)
    assert "journey-pipeline receiver" in str(error)
    assert error.retry_after_s == 600
    assert {call.route for call in sandbox.calls} <= {"unknown"}
