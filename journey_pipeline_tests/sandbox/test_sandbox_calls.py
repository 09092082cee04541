"""S28, and the routes by which another process steers the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.sandbox.cases import Case


def test_every_call_is_recorded_with_what_was_asked(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    caller.estimate(asked, columns="Id,Status", format="csv")
    caller.download(asked | {"start": "nonsense"})
    caller.session.get(f"{caller.base}/nowhere", timeout=30)
    routes = [(call.route, call.method, call.status) for call in sandbox.calls]
    assert routes == [
        ("token", "POST", 200),
        ("estimate", "POST", 200),
        ("download", "POST", 400),
        ("unknown", "GET", 404),
    ]
    estimate = sandbox.calls[1]
    assert estimate.path == "/sfmc/interaction/v1/interactions/journeyhistory/estimate"
    assert estimate.query == {"columns": "Id,Status", "format": "csv"}
    assert estimate.query_string == "columns=Id,Status&format=csv"
    assert estimate.body == asked
    assert estimate.headers["content-type"] == "application/json"
    assert (estimate.vendor, estimate.at) == ("sfmc", sandbox.clock.now())
    assert sandbox.calls.count("download") == len(sandbox.calls.to("download", vendor="sfmc")) == 1
    assert sandbox.calls.to(vendor="other") == []


def test_no_token_and_no_secret_is_recorded(sandbox: Sandbox, caller: Any) -> None:
    caller.get("/journeyhistory/freshness")
    form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    caller.session.post(f"{caller.base}/v2/token", data=form, timeout=30)
    recorded = repr(list(sandbox.calls))
    assert caller.bearer not in recorded
    assert "sandbox-secret" not in recorded
    assert sandbox.calls[1].headers["authorization"] == "Bearer ***"
    assert sandbox.calls[2].body == form | {"client_secret": "***"}


def test_a_call_says_which_fault_hit_it(sandbox: Sandbox, caller: Any) -> None:
    sandbox.faults.add("freshness:503@2")
    caller.get("/journeyhistory/freshness")
    caller.get("/journeyhistory/freshness")
    assert [(call.fault, call.status) for call in sandbox.calls.to("freshness")] == [(None, 200), ("503", 503)]


def test_calls_can_be_forgotten(sandbox: Sandbox, caller: Any) -> None:
    caller.token()
    sandbox.calls.clear()
    assert len(sandbox.calls) == 0


@pytest.fixture
def admin(sandbox: Sandbox, caller: Any) -> Any:
    def ask(method: str, path: str, body: object = None) -> tuple[int, Any]:
        answer = caller.session.request(method, f"{sandbox.url}/_sandbox/{path}", json=body, timeout=30)
        return answer.status_code, answer.json()

    return ask


def test_health_says_what_time_it_is(admin: Any) -> None:
    assert admin("GET", "health") == (200, {"status": "ok", "now": "2026-11-20T20:00:00Z"})


def test_the_clock_is_moved_over_http(sandbox: Sandbox, admin: Any) -> None:
    assert admin("GET", "clock") == (200, {"now": "2026-11-20T20:00:00Z", "speed": 0})
    assert admin("POST", "clock", {"move_s": 90})[1]["now"] == "2026-11-20T20:01:30Z"
    assert admin("POST", "clock", {"at": "2026-12-01T00:00:00Z"})[1]["now"] == "2026-12-01T00:00:00Z"
    assert sandbox.clock.now() == datetime(2026, 12, 1, tzinfo=UTC)
    assert admin("POST", "clock", {"speed": 60})[1]["speed"] == 60
    assert sandbox.clock.speed == 60


def test_a_wrong_clock_is_refused_over_http(admin: Any, case: Case) -> None:
    for wrong in [{"at": "2026-12-01T00:00:00"}, {"speed": -1}, {"when": 1}, "text"]:
        with case(wrong=wrong):
            status, answer = admin("POST", "clock", wrong)
            assert status == 400
            assert answer["error"]


def test_faults_are_added_listed_and_cleared_over_http(caller: Any, admin: Any) -> None:
    rules = ["freshness:503@1", "download:500~0.5"]
    assert admin("POST", "faults", {"rules": rules})[0] == 200
    caller.get("/journeyhistory/freshness")
    assert admin("GET", "faults")[1]["rules"] == [{"rule": rules[0], "hits": 1}, {"rule": rules[1], "hits": 0}]
    assert admin("DELETE", "faults") == (200, {"rules": []})


def test_no_fault_is_added_when_one_of_them_is_wrong(sandbox: Sandbox, admin: Any) -> None:
    status, answer = admin("POST", "faults", {"rules": ["freshness:503", "freshness:nonsense"]})
    assert status == 400
    assert "nonsense" in answer["error"]
    assert sandbox.faults.rules() == []


def test_options_are_changed_over_http_and_the_secret_is_not_shown(sandbox: Sandbox, admin: Any) -> None:
    status, shown = admin("POST", "options", {"sfmc": {"bom": True, "freshness_shape": "string"}})
    assert (status, shown["sfmc"]["bom"], shown["sfmc"]["freshness_shape"]) == (200, True, "string")
    assert sandbox.options.sfmc.bom is True
    assert "client_secret" not in shown["sfmc"]
    assert admin("GET", "options") == (200, shown)


def test_wrong_options_are_refused_and_change_nothing(sandbox: Sandbox, admin: Any, case: Case) -> None:
    for wrong in [{"sfmc": {"nonsense": 1}}, {"sfmc": {"bom": True, "line_end": "cr"}}, {"other": {}}]:
        with case(wrong=wrong):
            assert admin("POST", "options", wrong)[0] == 400
            assert sandbox.options.sfmc.bom is False


def test_calls_are_listed_and_forgotten_over_http(sandbox: Sandbox, caller: Any, admin: Any) -> None:
    caller.get("/journeyhistory/freshness")
    status, answer = admin("GET", "calls")
    assert (status, answer["count"]) == (200, 2)
    assert [call["route"] for call in answer["calls"]] == ["token", "freshness"]
    assert admin("GET", "calls?route=token")[1]["count"] == 1
    assert admin("DELETE", "calls") == (200, {"count": 0, "calls": []})
    assert len(sandbox.calls) == 0
