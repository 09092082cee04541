"""A3 to A6: what becomes of an order, and how its file can be had."""

from __future__ import annotations

import gzip
import threading
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from journey_pipeline.model import Window
from journey_pipeline.sandbox.apsis.options import ApsisOptions
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.apsis_caller import DAY, EXPORTS, MAIN, NOON, REPORTS, ApsisCaller, events

pytestmark = pytest.mark.slow(reason="reports are made and fetched in each test")

ORDER = {
    "sections": [{"section_discriminator": MAIN, "attribute_discriminators": ["com.apsis1.attributes.email"]}],
    "events": {"start_at": "2026-11-19T12:00:00Z", "end_at": "2026-11-19T14:00:00Z"},
}


def polled(apsis: ApsisCaller, url: str, *seconds: float) -> list[int]:
    """What the URL answers at once and after waiting again and again."""
    apsis.login()
    found = [apsis.get(url).status_code]
    for wait in seconds:
        apsis.wait(wait)
        found.append(apsis.get(url).status_code)
    return found


def test_the_first_generation_answers_404_until_the_file_is_there_and_410_after_a_day(apsis: ApsisCaller) -> None:
    apsis.options.expires_in_s = 30 * 86_400
    url = apsis.post(EXPORTS, ORDER).json()["file_download_url"]
    assert polled(apsis, url, 2.9, 0.1, 86_390, 7) == [404, 404, 200, 200, 410]
    assert apsis.get(f"{EXPORTS}/ex-none").status_code == 410


def test_the_second_generation_answers_202_until_the_file_is_there_and_404_to_a_wrong_id(apsis: ApsisCaller) -> None:
    apsis.options.url_fields = "v2"
    apsis.options.expires_in_s = 30 * 86_400
    url = apsis.post(EXPORTS, ORDER).json()["file_download_url_v2"]
    assert polled(apsis, url, 2.9, 0.1, 86_390, 7) == [202, 202, 200, 200, 410]
    assert apsis.get(url + "0").status_code == 404


def test_both_generations_lead_to_the_same_file(apsis: ApsisCaller) -> None:
    apsis.options.url_fields = "both"
    answer = apsis.post(EXPORTS, ORDER).json()
    apsis.wait()
    urls = answer["file_download_url"], answer["file_download_url_v2"]
    assert len({apsis.get(url).content for url in urls}) == 1
    assert set(answer) == {"export_id", "file_download_url", "file_download_url_v2", "status"}


def test_the_poll_url_can_have_another_name_or_stand_in_a_header(apsis: ApsisCaller) -> None:
    apsis.options.url_fields = "other_name"
    named = apsis.post(EXPORTS, ORDER)
    assert set(named.json()) == {"export_id", "poll_url", "status"}
    apsis.options.url_fields = "location"
    located = apsis.post(EXPORTS, ORDER)
    assert set(located.json()) == {"export_id", "status"}
    apsis.wait()
    for url in (named.json()["poll_url"], located.headers["Location"]):
        assert apsis.get(url).status_code == 200


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_failed_export_answers_503_and_an_order_after_it_is_fine(apsis: ApsisCaller, generation: Any) -> None:
    apsis.options.url_fields = generation
    apsis.sandbox.faults.add("profile_order:fail_export@1")
    urls = [list(apsis.post(EXPORTS, ORDER).json().values())[1] for _ in range(2)]
    apsis.wait()
    assert [apsis.get(url).status_code for url in urls] == [503, 200]
    assert apsis.get(urls[0]).status_code == 503


@pytest.mark.parametrize(("generation", "pending"), [("v1", 404), ("v2", 202)])
def test_a_poll_says_when_to_ask_again_if_the_option_says_so(apsis: ApsisCaller, generation: Any, pending: int) -> None:
    apsis.options.url_fields = generation
    url = list(apsis.post(EXPORTS, ORDER).json().values())[1]
    assert "Retry-After" not in apsis.get(url).headers
    apsis.options.poll_retry_after_s = 90
    under_way = apsis.get(url)
    assert (under_way.status_code, under_way.headers["Retry-After"]) == (pending, "90")
    apsis.sandbox.faults.add("profile_order:fail_export@1")
    broken = list(apsis.post(EXPORTS, ORDER).json().values())[1]
    apsis.wait()
    assert (apsis.get(broken).status_code, apsis.get(broken).headers["Retry-After"]) == (503, "90")
    assert "Retry-After" not in apsis.get(url).headers
    assert "Retry-After" not in apsis.get(url + "0").headers


def test_a_report_under_way_says_when_to_ask_again_if_the_option_says_so(apsis: ApsisCaller) -> None:
    apsis.options.pending_s = 60
    report = apsis.reported()
    assert "Retry-After" not in apsis.get(f"{REPORTS}/{report}").headers
    apsis.options.poll_retry_after_s = 90
    assert apsis.get(f"{REPORTS}/{report}").headers["Retry-After"] == "90"
    apsis.wait(60)
    assert "Retry-After" not in apsis.get(f"{REPORTS}/{report}").headers


def test_pending_time_is_an_option(apsis: ApsisCaller) -> None:
    apsis.options.pending_s = 7200
    url = apsis.post(EXPORTS, ORDER).json()["file_download_url"]
    assert polled(apsis, url, 7199, 1) == [404, 404, 200]


def test_the_poll_url_wants_the_token(apsis: ApsisCaller) -> None:
    assert requests.get(apsis.ordered(ORDER), timeout=30).status_code == 401


@pytest.mark.parametrize("transfer", ["chunked", "content_length"])
def test_the_same_url_gives_the_same_bytes_packed_or_not(apsis: ApsisCaller, transfer: Any) -> None:
    apsis.options.transfer = transfer
    url = apsis.ordered(apsis.everything())
    plain = [apsis.get(url) for _ in range(2)]
    packed = [apsis.get(url, encoding="gzip", stream=True) for _ in range(2)]
    bodies = [answer.raw.read(decode_content=False) for answer in packed]
    assert plain[0].content == plain[1].content == gzip.decompress(bodies[0])
    assert bodies[0] == bodies[1]
    assert "Content-Encoding" not in plain[0].headers
    for answer, body in [(plain[0], plain[0].content), (packed[0], bodies[0])]:
        assert answer.headers["Content-Type"] == "application/json"
        if transfer == "content_length":
            assert int(answer.headers["Content-Length"]) == len(body)
        else:
            assert answer.headers["Transfer-Encoding"] == "chunked"
    assert packed[0].headers["Content-Encoding"] == "gzip"


def test_an_export_keeps_what_it_was_when_it_was_ordered(apsis: ApsisCaller) -> None:
    url = apsis.ordered(apsis.everything())
    before = apsis.get(url).content
    apsis.wait(40_000)
    apsis.options.layout = "pretty"
    apsis.options.profile_gap = 0.5
    apsis.options.window_time = "source"
    assert apsis.get(url).content == before


def test_too_many_events_fail_and_a_smaller_request_works(apsis: ApsisCaller) -> None:
    hour = Window(NOON.start, NOON.start + timedelta(hours=1))
    counts = [sum(1 for _ in events(apsis.profiles(window=window))) for window in (NOON, hour)]
    rows = [len(apsis.emails(window)) for window in (NOON, hour)]
    apsis.options.most_events = counts[1]
    assert counts[0] > counts[1] > rows[0]
    assert apsis.get(apsis.ordered(apsis.everything(NOON))).status_code == 503
    assert apsis.get(apsis.ordered(apsis.everything(hour))).status_code == 200
    apsis.options.most_events = rows[1]
    assert rows[0] > rows[1]
    assert apsis.status(apsis.reported(NOON)) == {"status": "error"}
    assert apsis.status(apsis.reported(hour))["status"] == "completed"


def test_a_report_goes_from_pending_to_completed_and_is_gone_with_its_file(apsis: ApsisCaller) -> None:
    apsis.options.pending_word = "queued"
    asked = {"section_discriminator": MAIN, "start_at": "2026-11-19T00:00:00Z", "end_at": "2026-11-20T00:00:00Z"}
    ordered = apsis.post(REPORTS, asked).json()
    assert set(ordered) == {"report_id"}
    report = ordered["report_id"]
    assert apsis.status(report) == {"status": "queued"}
    apsis.wait(3)
    done = apsis.status(report)
    assert set(done) == {"status", "file_download_url", "file_download_url_expires_at", "file_expires_at"}
    assert done["status"] == "completed"
    now = apsis.sandbox.clock.now()
    assert datetime.fromisoformat(done["file_download_url_expires_at"]) == now + timedelta(minutes=15)
    assert datetime.fromisoformat(done["file_expires_at"]) == now + timedelta(days=7) - timedelta(seconds=3)
    apsis.options.expires_in_s = 30 * 86_400
    apsis.login()
    apsis.wait(7 * 86_400 - 3)
    assert apsis.get(f"{REPORTS}/{report}").status_code == 404
    assert apsis.get(f"{REPORTS}/rp-none").status_code == 404


def test_a_failed_report_says_so(apsis: ApsisCaller) -> None:
    apsis.sandbox.faults.add("email_order:fail_export@1#2026-11-19")
    assert apsis.status(apsis.reported(DAY)) == {"status": "error"}
    assert apsis.status(apsis.reported(DAY))["status"] == "completed"


def test_a_link_needs_no_token_expires_and_is_renewed_by_asking_again(apsis: ApsisCaller) -> None:
    report = apsis.reported()
    old = apsis.status(report)["file_download_url"]
    whole = requests.get(old, timeout=30)
    assert (whole.status_code, whole.headers["Content-Type"]) == (200, "application/gzip")
    assert "Content-Encoding" not in whole.headers
    assert gzip.decompress(whole.content)
    apsis.wait(900)
    new = apsis.status(report)["file_download_url"]
    assert [requests.get(url, timeout=30).status_code for url in (old, new)] == [403, 200]
    assert requests.get(new, timeout=30).content == whole.content


def test_a_changed_link_opens_nothing(apsis: ApsisCaller) -> None:
    one, other = (apsis.status(apsis.reported())["file_download_url"] for _ in range(2))
    path, _, query = one.partition("?")
    wrong = [path, f"{path}?signature=", f"{path}?signature=²", one[:-1], f"{other.partition('?')[0]}?{query}"]
    assert [requests.get(url, timeout=30).status_code for url in wrong] == [403] * len(wrong)


def test_with_header_auth_the_link_holds_nothing_and_a_header_opens_it(apsis: ApsisCaller) -> None:
    report = apsis.reported()
    answer = apsis.get(f"{REPORTS}/{report}?header_auth=true")
    url, token = answer.json()["file_download_url"], answer.headers["x-apsis-auth"]
    assert "?" not in url
    assert requests.get(url, timeout=30).status_code == 403
    assert requests.get(url, headers={"x-apsis-auth": token}, timeout=30).status_code == 200
    assert "x-apsis-auth" not in apsis.get(f"{REPORTS}/{report}").headers
    apsis.wait(900)
    assert requests.get(url, headers={"x-apsis-auth": token}, timeout=30).status_code == 403


def test_files_can_lie_on_another_host(apsis: ApsisCaller) -> None:
    apsis.options.files_host = "files.example.org"
    where, own = urlsplit(apsis.status(apsis.reported())["file_download_url"]), urlsplit(apsis.base)
    assert (where.hostname, where.port) == ("files.example.org", own.port)


def test_no_secret_of_a_link_is_recorded(apsis: ApsisCaller) -> None:
    report = apsis.reported()
    url = apsis.status(report)["file_download_url"]
    token = apsis.get(f"{REPORTS}/{report}?header_auth=true").headers["x-apsis-auth"]
    requests.get(f"{url}&name=a%20b", headers={"x-apsis-auth": token}, timeout=30)
    recorded = repr(list(apsis.sandbox.calls))
    assert token not in recorded
    assert urlsplit(url).query.partition("=")[2] not in recorded
    assert apsis.bearer
    assert apsis.bearer not in recorded
    assert "sandbox-secret" not in recorded
    file = apsis.sandbox.calls.to("email_file", vendor="apsis")[0]
    assert file.query == {"signature": "***", "name": "a b"}
    assert file.query_string == "signature=***&name=a%20b"
    assert file.headers["x-apsis-auth"] == "***"


def test_every_call_is_recorded_under_its_route(apsis: ApsisCaller) -> None:
    body = apsis.everything()
    apsis.get(apsis.ordered(body))
    apsis.packed_emails()
    apsis.get("/nowhere")
    routes = [call.route for call in apsis.sandbox.calls]
    assert routes[0] == "token"
    assert routes[-6:] == ["profile_order", "profile_poll", "email_order", "email_status", "email_file", "unknown"]
    order = apsis.sandbox.calls.to("profile_order")[0]
    assert (order.vendor, order.method, order.status, order.body) == ("apsis", "POST", 202, body)


def test_the_shown_options_hold_no_secret(apsis: ApsisCaller) -> None:
    url = f"{apsis.sandbox.url}/_sandbox/options"
    shown = requests.post(url, json={"apsis": {"pending_s": 1, "layout": "pretty"}}, timeout=30).json()["apsis"]
    assert (shown["pending_s"], shown["layout"], apsis.options.layout) == (1.0, "pretty", "pretty")
    assert "client_secret" not in shown
    refused = requests.post(url, json={"apsis": {"layout": "round"}}, timeout=30)
    assert refused.status_code == 400
    assert "layout" in refused.json()["error"]


def test_a_stopped_sandbox_counts_no_further(world: World) -> None:
    options = SandboxOptions(apsis=ApsisOptions(pending_s=0, most_events=1, bulk_profiles=10**9))
    with serve(world, clock=SandboxClock.frozen(DAY.end), options=options) as sandbox:
        caller = ApsisCaller(sandbox)
        caller.login()
        asked = caller.section_order(MAIN, event_discriminators=["com.apsis1.events.page-viewed"])
        url = caller.post(EXPORTS, caller.everything(DAY) | {"sections": [asked]}).json()["file_download_url"]
        threading.Timer(0.2, sandbox.close).start()
        assert caller.get(url).json()["message"] == "The sandbox is being stopped."
