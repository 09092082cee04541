"""A1, A2, A5: who may call, and which orders are taken."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import requests

from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.apsis_caller import EMAIL, EXPORTS, MAIN, REPORTS, ApsisCaller, events
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.conftest import NOW

pytestmark = pytest.mark.slow(reason="reports are made in each test")

START, END = "2026-11-19T00:00:00Z", "2026-11-20T00:00:00Z"
SECTION = {"section_discriminator": MAIN, "attribute_discriminators": [EMAIL]}
PROFILES = {"sections": [SECTION], "events": {"start_at": START, "end_at": END}}
EMAILS = {"section_discriminator": MAIN, "start_at": START, "end_at": END}


def test_a_deployment_finds_the_simulator_by_its_environment(sandbox: Sandbox) -> None:
    environment = sandbox.environment()
    assert environment["APSIS_URL"] == f"{sandbox.url}/apsis"
    credentials = {"client_id": environment["APSIS_CLIENT_ID"], "client_secret": environment["APSIS_CLIENT_SECRET"]}
    asked = {"grant_type": "client_credentials", **credentials}
    assert requests.post(f"{environment['APSIS_URL']}/oauth/token", json=asked, timeout=30).status_code == 200


def test_a_token_is_given_for_the_right_pair_and_renewals_are_counted(apsis: ApsisCaller) -> None:
    before = apsis.sandbox.apsis.tokens.issued
    given = [apsis.token().json() for _ in range(2)]
    assert set(given[0]) == {"access_token", "token_type", "expires_in"}
    assert (given[0]["token_type"], given[0]["expires_in"]) == ("Bearer", 86400)
    assert given[0]["access_token"] != given[1]["access_token"]
    assert apsis.sandbox.apsis.tokens.issued == before + 2


def test_a_wrong_request_for_a_token_is_refused(apsis: ApsisCaller, case: Case) -> None:
    for changes, status in [
        ({"client_secret": "wrong"}, 401),
        ({"client_id": "wrong"}, 401),
        ({"grant_type": "password"}, 400),
    ]:
        with case(changes=changes, status=status):
            assert apsis.token(**changes).status_code == status


def test_a_token_is_asked_for_as_json(apsis: ApsisCaller) -> None:
    url = f"{apsis.base}/oauth/token"
    assert requests.post(url, data={"grant_type": "client_credentials"}, timeout=30).status_code == 415
    headers = {"Content-Type": "application/json"}
    assert requests.post(url, data="nonsense", headers=headers, timeout=30).status_code == 400


def test_a_call_without_a_good_token_is_refused(apsis: ApsisCaller, case: Case) -> None:
    for path, authorization in product(
        [f"{EXPORTS}/ex-1", f"{REPORTS}/rp-1", "/audience/sections", "/audience/segments/"],
        [None, "Bearer unknown", "Basic unknown"],
    ):
        with case(path=path, authorization=authorization):
            headers = {"Authorization": authorization} if authorization else {}
            assert requests.get(apsis.base + path, headers=headers, timeout=30).status_code == 401


@pytest.mark.parametrize("answer", [401, 403])
def test_an_expired_token_is_told_in_either_way_and_a_new_one_is_good(apsis: ApsisCaller, answer: int) -> None:
    apsis.options.expired_answer = answer
    apsis.options.expires_in_s = 300
    apsis.login()
    apsis.wait(299)
    assert apsis.get("/audience/sections").status_code == 200
    apsis.wait(1)
    refused = apsis.get("/audience/sections")
    assert (refused.status_code, refused.json()["message"]) == (answer, "The access token expired")
    apsis.login()
    assert apsis.get("/audience/sections").status_code == 200


def test_a_403_can_have_nothing_to_do_with_expiry(apsis: ApsisCaller) -> None:
    apsis.options.forbidden = True
    refused = apsis.get("/audience/sections")
    assert refused.status_code == 403
    assert "expire" not in refused.text


def section(**changes: Any) -> dict[str, Any]:
    return PROFILES | {"sections": [SECTION | changes]}


def bounds(**changes: Any) -> dict[str, Any]:
    return PROFILES | {"events": {"start_at": START, "end_at": END} | changes}


def test_a_wrong_profile_order_is_refused_with_a_message_that_names_the_field(apsis: ApsisCaller, case: Case) -> None:
    for body, named in [
        ([], "object"),
        ({}, "sections"),
        (PROFILES | {"sections": []}, "sections"),
        (PROFILES | {"sections": ["main"]}, "sections"),
        (section(section_discriminator=None), "section_discriminator"),
        (section(section_discriminator="usercreated.sections.none"), "section_discriminator"),
        (section(attribute_discriminators=["nonsense"]), "attribute_discriminators"),
        (section(attribute_discriminators=EMAIL), "attribute_discriminators"),
        (section(attribute_discriminators=[f"a{i}" for i in range(76)]), "more than 75"),
        (section(tag_discriminators=["nonsense"]), "tag_discriminators"),
        (section(tag_discriminators=[f"t{i}" for i in range(26)]), "more than 25"),
        (section(event_discriminators=["nonsense"]), "event_discriminators"),
        (section(event_discriminators=["com.apsis1.events.email-sent"]) | {"events": None}, "events.start_at"),
        (PROFILES | {"events": "yesterday"}, "events"),
        (bounds(start_at=None), "events.start_at"),
        (bounds(start_at="2026-11-19"), "events.start_at"),
        (bounds(start_at="2026-11-19T00:00:00"), "events.start_at"),
        (bounds(start_at="2026-11-19T00:00:00+01:00"), "events.start_at"),
        (bounds(start_at=1_795_046_400_000), "events.start_at"),
        (bounds(end_at=START), "events.end_at"),
        (bounds(end_at="2027-02-20T00:00:00Z"), "three months"),
        (PROFILES | {"segment_filter": {}}, "segment_discriminators"),
        (PROFILES | {"segment_filter": {"segment_discriminators": ["nonsense"]}}, "segment_discriminators"),
    ]:
        with case(body=body, named=named):
            refused = apsis.post(EXPORTS, body)
            assert refused.status_code == 400
            assert named in refused.json()["message"]


def test_a_wrong_email_order_is_refused_with_a_message_that_names_the_field(apsis: ApsisCaller, case: Case) -> None:
    for changes, named in [
        ({"section_discriminator": None}, "section_discriminator"),
        ({"section_discriminator": "usercreated.sections.none"}, "section_discriminator"),
        ({"start_at": None}, "start_at"),
        ({"start_at": "yesterday"}, "start_at"),
        ({"end_at": START}, "end_at"),
        ({"end_at": "2027-02-20T00:00:00Z"}, "three months"),
        ({"additional_attribute_mappings": ["1"]}, "additional_attribute_mappings"),
        ({"additional_attribute_mappings": [str(i) for i in range(76)]}, "more than 75"),
        ({"additional_tag_mappings": ["1"]}, "additional_tag_mappings"),
        ({"additional_tag_mappings": [str(i) for i in range(26)]}, "more than 25"),
        ({"segment_filter": []}, "segment_discriminators"),
    ]:
        with case(changes=changes, named=named):
            refused = apsis.post(REPORTS, EMAILS | changes)
            assert refused.status_code == 400
            assert named in refused.json()["message"]


@pytest.mark.parametrize("path", [EXPORTS, REPORTS])
def test_an_order_that_is_no_json_is_refused(apsis: ApsisCaller, path: str) -> None:
    url = apsis.base + path
    assert requests.post(url, data="{}", headers=apsis.headers(), timeout=30).status_code == 415
    headers = apsis.headers(**{"Content-Type": "application/json"})
    assert requests.post(url, data="{", headers=headers, timeout=30).status_code == 400
    assert apsis.get(path).status_code == 405


def test_three_months_are_taken(apsis: ApsisCaller) -> None:
    assert apsis.post(REPORTS, EMAILS | {"start_at": "2026-08-20T00:00:00Z"}).status_code == 202
    assert apsis.post(EXPORTS, bounds(start_at="2026-08-20T00:00:00Z")).status_code == 202


@pytest.fixture
def quiet() -> Iterator[ApsisCaller]:
    """A vendor of whose weeks there is little to tell."""
    with serve(World(rows_per_hour=20, contacts=100, steady=True), clock=SandboxClock.frozen(NOW)) as sandbox:
        caller = ApsisCaller(sandbox)
        with caller.session:
            yield caller


def test_without_an_end_the_window_is_a_week(quiet: ApsisCaller) -> None:
    start = "2026-11-10T00:00:00Z"
    asked = section(event_discriminators=["com.apsis1.events.ma-entered"])
    open_ended = quiet.profiles(asked | {"events": {"start_at": start}})
    quiet.rewind()
    assert list(events(open_ended))
    assert open_ended == quiet.profiles(asked | {"events": {"start_at": start, "end_at": "2026-11-17T00:00:00Z"}})


def test_without_an_end_a_report_is_of_a_week(quiet: ApsisCaller) -> None:
    start = datetime(2026, 11, 10, tzinfo=UTC)
    open_ended = quiet.emails(Window(start, start + timedelta(days=1)), end_at=None)
    quiet.rewind()
    assert open_ended
    assert open_ended == quiet.emails(Window(start, start + timedelta(days=7)))


def test_without_any_attribute_or_tag_the_file_has_no_profiles(apsis: ApsisCaller) -> None:
    asked = section(attribute_discriminators=[], event_discriminators=["com.apsis1.events.email-sent"])
    assert apsis.profiles(asked) == {}
    assert len(apsis.profiles(asked | section(tag_discriminators=["usercreated.tags.vip-2"]))) > 1_000


def test_a_segment_has_its_profiles_alone(apsis: ApsisCaller) -> None:
    everyone = apsis.profiles(PROFILES)
    wanted = {"segment_discriminators": ["usercreated.segments.customers-9"], "time_zone": "UTC"}
    customers = apsis.profiles(PROFILES | {"segment_filter": wanted})
    assert len(customers) == 400
    assert customers.items() <= everyone.items()
    rows = apsis.emails(segment_filter=wanted)
    assert {row["address"].lower() for row in rows} <= {
        profile["sections"]["1234"]["attributes"]["88"]["value"].lower() for profile in customers.values()
    }


@pytest.mark.parametrize("seconds", [30, None])
def test_too_many_pending_exports_are_refused_until_one_is_done(apsis: ApsisCaller, seconds: int | None) -> None:
    apsis.options.pending_retry_after_s = seconds
    for path, body in [(EXPORTS, PROFILES), (REPORTS, EMAILS)] * 2 + [(EXPORTS, PROFILES)]:
        assert apsis.post(path, body).status_code == 202
    for path, body in [(EXPORTS, PROFILES), (REPORTS, EMAILS)]:
        refused = apsis.post(path, body)
        assert refused.status_code == 429
        assert refused.headers.get("Retry-After") == (None if seconds is None else str(seconds))
    apsis.wait()
    assert apsis.post(EXPORTS, PROFILES).status_code == 202


def test_more_than_25_sections_are_too_many(apsis: ApsisCaller) -> None:
    assert apsis.post(EXPORTS, PROFILES | {"sections": [SECTION] * 25}).status_code == 202
    assert apsis.post(EXPORTS, PROFILES | {"sections": [SECTION] * 26}).status_code == 413
    apsis.options.extra_sections = 23
    assert apsis.post(REPORTS, EMAILS).status_code == 202
    apsis.options.extra_sections = 24
    assert apsis.post(REPORTS, EMAILS).status_code == 413
    assert len(apsis.items("/audience/sections")) == 26
