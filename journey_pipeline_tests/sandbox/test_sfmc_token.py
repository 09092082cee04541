"""S1, S2: who may call."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
import requests

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline_tests.sandbox.cases import Case


def test_a_token_is_given_for_the_right_pair(sandbox: Sandbox, caller: Any) -> None:
    answer = caller.token(account_id="510004711")
    assert answer.status_code == 200
    given = answer.json()
    assert given["token_type"] == "Bearer"
    assert given["expires_in"] == 1079
    assert given["scope"] == "offline journeys_read list_and_subscribers_read"
    assert given["rest_instance_url"] == f"{sandbox.url}/sfmc/"
    assert set(given) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
        "soap_instance_url",
        "rest_instance_url",
    }


def test_a_token_is_given_for_a_form_too(caller: Any) -> None:
    form = {"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"}
    assert caller.session.post(f"{caller.base}/v2/token", data=form, timeout=30).status_code == 200


def test_an_account_may_be_a_number(caller: Any) -> None:
    assert caller.token(account_id=510004711).status_code == 200


def test_a_wrong_request_for_a_token_is_refused(caller: Any, case: Case) -> None:
    for changes, status, error in [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "wrong"}, 401, "invalid_client"),
        ({"account_id": "1"}, 400, "invalid_request"),
        ({"scope": "journeys_read email_send"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ]:
        with case(changes=changes, status=status, error=error):
            answer = caller.token(**changes)
            assert answer.status_code == status
            assert answer.json()["error"] == error
            assert set(answer.json()) == {"error", "error_description", "error_uri"}


def test_credentials_can_be_configured(sandbox: Sandbox, caller: Any) -> None:
    sandbox.options.sfmc.client_secret = "another"
    assert caller.token().status_code == 401
    assert caller.token(client_secret="another").status_code == 200
    assert sandbox.environment()["SFMC_CLIENT_SECRET"] == "another"


def test_a_call_without_a_good_token_is_not_authorized(caller: Any, case: Case) -> None:
    for route, authorization in product(
        ["/journeyhistory/freshness", "", "/key:journey-0", "/status/key:journey-0"],
        [None, "Bearer unknown", "Basic unknown"],
    ):
        with case(route=route, authorization=authorization):
            headers = {"Authorization": authorization} if authorization else {}
            answer = requests.get(f"{caller.base}/interaction/v1/interactions{route}", headers=headers, timeout=30)
            assert answer.status_code == 401
            assert (answer.json()["errorcode"], answer.json()["message"]) == (0, "Not Authorized")
            assert "documentation" in answer.json()


@pytest.mark.parametrize("route", ["estimate", "download"])
def test_the_history_is_closed_without_a_token(caller: Any, route: str) -> None:
    url = f"{caller.base}/interaction/v1/interactions/journeyhistory/{route}"
    assert requests.post(url, json={}, timeout=30).status_code == 401


def test_a_token_ends_on_the_sandbox_clock(sandbox: Sandbox, caller: Any) -> None:
    sandbox.options.sfmc.expires_in_s = 300
    assert caller.token().json()["expires_in"] == 300
    caller.login()
    sandbox.clock.move(timedelta(seconds=299))
    assert caller.get("/journeyhistory/freshness").status_code == 200
    sandbox.clock.move(timedelta(seconds=1))
    assert caller.get("/journeyhistory/freshness").status_code == 401


def test_a_token_without_journeys_read_is_forbidden(sandbox: Sandbox, caller: Any) -> None:
    caller.login(scope="offline")
    answer = caller.get("/journeyhistory/freshness")
    assert (answer.status_code, answer.json()["errorcode"]) == (403, 20002)
    assert "journeys_read" in answer.json()["message"]
    sandbox.options.sfmc.bare_forbidden = True
    assert set(caller.get("").json()) == {"message"}


def test_a_token_of_another_account_sees_no_journey_and_no_history(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.options.sfmc.other_accounts = ("510009999",)
    caller.login(account_id="510009999")
    assert caller.rows(asked) == []
    assert caller.estimate(asked).json()["rowCount"] == 0
    assert caller.get("").json()["count"] == 0


def test_a_revoked_token_is_not_authorized_and_a_new_one_is(sandbox: Sandbox, caller: Any) -> None:
    caller.login()
    sandbox.faults.add("freshness:expire_token_now@2")
    assert [caller.get("/journeyhistory/freshness").status_code for _ in range(3)] == [200, 401, 401]
    caller.login()
    assert caller.get("/journeyhistory/freshness").status_code == 200


def test_a_stream_that_has_begun_outlives_its_token(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = caller.raw_download(asked)
    sandbox.faults.add("download:slow_body=0.01@1")
    with closing(caller.download(asked, stream=True)) as answer:
        first = answer.raw.read(100, decode_content=False)
        sandbox.sfmc.tokens.revoke()
        assert caller.get("/journeyhistory/freshness").status_code == 401
        assert first + answer.raw.read(decode_content=False) == whole
