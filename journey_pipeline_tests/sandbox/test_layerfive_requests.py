"""L1 and L4: the three forms, the key, the slash at the end, and what is refused."""

from __future__ import annotations

import gzip
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

import pytest
import requests
from pydantic import ValidationError

from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.world.individuals import individual, visitor_number
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import DAY, NOW, LayerFiveCaller, bag, day

PERSON_0 = "Person.0+shop@example.org"


def test_the_default_answer_is_a_count_and_records_in_the_documented_order(layerfive: LayerFiveCaller) -> None:
    document = layerfive.document(event_date="2026-11-19")
    assert list(document) == ["count", "results"]
    assert document["count"] == len(document["results"]) > 300
    page_view = next(record for record in document["results"] if record["event_type"] == "page_view")
    assert list(page_view) == [
        "individual_id", "email", "known_since", "visitor_id", "session_id", "event_type", "event_time", "channel",
        "source", "medium", "campaign", "referrer", "landing_page", "page_url", "device", "order_id", "revenue",
    ]  # fmt: skip
    purchase = next(record for record in document["results"] if record["event_type"] == "purchase")
    assert (purchase["currency"], type(purchase["revenue"]), "page_url" in purchase) == ("EUR", float, False)


def test_an_answer_is_packed_if_the_caller_takes_gzip(layerfive: LayerFiveCaller) -> None:
    with closing(layerfive.get(headers=layerfive.headers(**{"Accept-Encoding": "gzip"}), stream=True)) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Content-Type"] == "application/json"
        assert packed.headers["Vary"] == "Accept, Origin"
        content = gzip.decompress(packed.raw.read(decode_content=False))
    plain = layerfive.get(headers=layerfive.headers(**{"Accept-Encoding": "identity"}))
    assert "Content-Encoding" not in plain.headers
    assert plain.content == content


def test_only_the_good_key_in_the_right_header_gets_in(layerfive: LayerFiveCaller, case: Case) -> None:
    for headers, detail in [
        ({}, "not provided"),
        ({"Authorization": "Bearer wrong"}, "Invalid token"),
        ({"Authorization": "Bearer schlüssel".encode().decode("latin-1")}, "Invalid token"),
        ({"Authorization": "Basic sandbox-layerfive-key"}, "not provided"),
        ({"X-API-Key": "sandbox-layerfive-key"}, "not provided"),
    ]:
        with case(headers=headers, detail=detail):
            answer = layerfive.get(headers=headers)
            assert answer.status_code == 401
            assert detail in answer.json()["detail"]


def test_the_key_can_be_asked_for_in_another_header_and_without_a_scheme(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    sandbox.options.layerfive.auth_header = "X-API-Key"
    sandbox.options.layerfive.auth_scheme = ""
    assert layerfive.get().status_code == 401
    assert layerfive.get(headers={"X-API-Key": "sandbox-layerfive-key"}).status_code == 200
    assert sandbox.calls.to("customer_journeys")[-1].headers["x-api-key"] == "***"


def test_a_key_without_the_permission_is_forbidden(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.may_read = False
    assert layerfive.get().status_code == 403


def test_the_path_can_need_a_slash_at_its_end(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    with_slash = f"{layerfive.url}/"
    assert layerfive.get(url=with_slash).content == layerfive.get().content
    sandbox.options.layerfive.slash = "required"
    redirect = layerfive.get(event_date="2026-11-19")
    assert redirect.status_code == 301
    assert redirect.headers["Location"] == "/layerfive/api/v1/customer-journey-details/?event_date=2026-11-19"
    assert layerfive.get(url=with_slash, event_date="2026-11-19").status_code == 200
    sandbox.options.layerfive.slash_host = "https://elsewhere.example"
    assert layerfive.get().headers["Location"].startswith("https://elsewhere.example/layerfive/api/")


def test_a_date_that_is_none_or_lies_ahead_is_refused_by_name(layerfive: LayerFiveCaller, case: Case) -> None:
    for text in ["", "yesterday", "2026-13-01", "2026-11-19T00:00:00Z", "19.11.2026", "2026-11-21"]:
        with case(text=text):
            answer = layerfive.get(event_date=text)
            assert (answer.status_code, list(answer.json())) == (400, ["event_date"])


def test_both_parameters_together_are_refused(layerfive: LayerFiveCaller) -> None:
    assert layerfive.get(event_date="2026-11-19", email=PERSON_0).status_code == 400


def test_another_method_and_another_path_are_refused(layerfive: LayerFiveCaller) -> None:
    posted = layerfive.session.post(layerfive.url, headers=layerfive.headers(), timeout=30)
    assert (posted.status_code, layerfive.get(url=f"{layerfive.url}/more").status_code) == (405, 404)


def test_a_call_without_parameters_gets_the_last_24_hours_of_all_who_are_known(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    records = layerfive.records()
    assert {record["event_time"] >= "2026-11-19T20:00:00Z" for record in records} == {True}
    since_yesterday = sandbox.layerfive.truth(day("2026-11-19"))
    assert bag(records) == bag(one for one in since_yesterday if one["event_time"] >= "2026-11-19T20:00:00Z")


def test_an_address_gets_ninety_days_of_its_person_whatever_the_case(layerfive: LayerFiveCaller, case: Case) -> None:
    for typed in [PERSON_0, PERSON_0.lower(), PERSON_0.upper()]:
        with case(typed=typed):
            records = layerfive.records(email=typed)
            assert {record["individual_id"] for record in records} == {"p-0"}
            assert {record["email"] for record in records} == {PERSON_0, PERSON_0.lower()}
            times = [record["event_time"] for record in records]
            assert "2026-08-22T20:00:00Z" <= min(times) < "2026-08-24"
            assert "2026-11-20T00:00:00Z" <= max(times) <= "2026-11-20T20:00:00Z"


def test_a_plus_that_is_not_encoded_is_a_blank_and_leads_to_nobody(layerfive: LayerFiveCaller) -> None:
    assert layerfive.get(url=f"{layerfive.url}?email={quote(PERSON_0)}").status_code == 200
    assert layerfive.get(url=f"{layerfive.url}?email={PERSON_0}").status_code == 404


def test_a_person_whom_nobody_knows_is_404_or_an_empty_answer(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    assert layerfive.get(email="nobody@example.org").status_code == 404
    assert layerfive.get(email="person.2001@example.org").status_code == 404  # the world has fewer people
    assert layerfive.get(email="not an address").status_code == 400
    sandbox.options.layerfive.unknown_person = "empty"
    assert layerfive.document(email="nobody@example.org") == {"count": 0, "results": []}


def test_a_visitor_has_no_address_before_they_become_known(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    late = next(
        one for one in sandbox.layerfive.truth(day("2026-11-20")) if one["event_time"] < one["known_since"][:10]
    )
    sandbox.clock.set(NOW - DAY)
    assert layerfive.get(email=late["email"]).status_code == 404
    sandbox.clock.set(NOW)
    assert late in layerfive.records(email=late["email"])


def test_who_never_becomes_known_is_in_no_answer(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    cohort = [visitor_number((NOW - DAY * 80).toordinal() - 719_163, index) for index in range(10)]
    never = [number for number in cohort if sandbox.world.visits.known_ms(number) is None]
    assert never
    assert {layerfive.get(email=individual(number).email).status_code for number in never} == {404}
    told = {record["individual_id"] for record in layerfive.records(event_date="2026-08-23")}
    assert not told & {individual(number).id for number in never}


def test_calls_are_recorded_without_the_key(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    layerfive.get(event_date="2026-11-19")
    call = sandbox.calls.to("customer_journeys", vendor="layerfive")[-1]
    assert (call.method, call.path, call.query) == (
        "GET",
        "/layerfive/api/v1/customer-journey-details",
        {"event_date": "2026-11-19"},
    )
    assert (call.status, call.headers["authorization"]) == (200, "Bearer ***")


def test_options_can_be_changed_and_shown_from_outside_without_the_key(
    sandbox: Sandbox, layerfive: LayerFiveCaller
) -> None:
    url = f"{sandbox.url}/_sandbox/options"
    shown = requests.post(url, json={"layerfive": {"array": "data", "count": "none"}}, timeout=30).json()
    assert (shown["layerfive"]["array"], "api_key" in shown["layerfive"]) == ("data", False)
    assert list(layerfive.document(event_date="2026-11-20")) == ["data"]
    assert sandbox.options.sfmc.client_id == "sandbox"
    refused = requests.post(url, json={"sfmc": {"bom": True}, "layerfive": {"count": "some"}}, timeout=30)
    assert refused.status_code == 400
    assert (sandbox.options.sfmc.bom, sandbox.options.layerfive.count) == (False, "none")


def test_a_wrong_option_is_refused(sandbox: Sandbox, case: Case) -> None:
    for name, value in [("timezone", "Mars/Olympus"), ("page_size", 0), ("odd", ("strange",))]:
        with case(name=name, value=value), pytest.raises(ValidationError, match=name):
            setattr(sandbox.options.layerfive, name, value)


def test_the_days_can_be_those_of_a_time_zone(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.options.layerfive.timezone = "Europe/Berlin"
    window = day("2026-11-19")
    from_an_hour_before = type(window)(window.start - timedelta(hours=1), window.end)
    records = layerfive.records(event_date="2026-11-19")
    assert bag(records) == bag(sandbox.layerfive.truth(from_an_hour_before))
    assert bag(records) != bag(sandbox.layerfive.truth(window))
    sandbox.clock.set(NOW + timedelta(hours=3, minutes=30))  # it is the 21st there
    assert layerfive.get(event_date="2026-11-21").status_code == 200
