"""A10: what goes wrong, when a rule says so."""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import closing
from itertools import product
from typing import Any

import pytest
import requests
import urllib3

from journey_pipeline_tests.sandbox.apsis_caller import EMAIL, EXPORTS, MAIN, REPORTS, ApsisCaller
from journey_pipeline_tests.sandbox.cases import Case

pytestmark = pytest.mark.slow(reason="reports are made and fetched in each test")

ORDER = {
    "sections": [
        {
            "section_discriminator": MAIN,
            "attribute_discriminators": [EMAIL, "com.apsis1.attributes.firstname"],
        }
    ],
    "events": {"start_at": "2026-11-19T12:00:00Z", "end_at": "2026-11-19T14:00:00Z"},
}
STATUSES = {
    "401": (401, None),
    "429": (429, "5"),
    "429_blocked": (429, None),
    "429_long": (429, "3600"),
    "500": (500, None),
    "502": (502, None),
    "503": (503, None),
    "504": (504, None),
    "json_200": (200, None),
    "html_200": (200, None),
}
BROKEN = (requests.exceptions.ChunkedEncodingError, requests.ConnectionError, urllib3.exceptions.ProtocolError)


def body(answer: requests.Response) -> bytes:
    """As it came, still packed; raises where the connection breaks."""
    with closing(answer):
        return bytes(answer.raw.read(decode_content=False)) if answer.status_code == 200 else b""


def until_broken(answer: requests.Response) -> bytes:
    """What comes before the connection breaks."""
    received = b""
    with closing(answer):
        try:
            while chunk := answer.raw.read1(1 << 16, decode_content=False):
                received += chunk
        except urllib3.exceptions.ProtocolError:
            return received
    pytest.fail("the body ended properly")


def test_a_poll_can_be_refused_in_the_vendors_words_and_is_fine_then(apsis: ApsisCaller, case: Case) -> None:
    for kind, expected in STATUSES.items():
        with case(kind=kind):
            url = apsis.ordered(ORDER)
            apsis.sandbox.faults.add(f"apsis/profile_poll:{kind}@1")
            refused = apsis.get(url)
            assert (refused.status_code, refused.headers.get("Retry-After")) == expected
            if kind in {"502", "html_200"}:
                assert refused.text.startswith("<html>")
            else:
                assert refused.json()["message"]
            assert len(apsis.get(url).json()["profiles"]) > 1_000


def test_any_route_can_be_hit(apsis: ApsisCaller, case: Case) -> None:
    for route in ["profile_order", "email_order", "email_status", "token", "sections"]:
        with case(route=route):
            apsis.login()
            calls: dict[str, Any] = {
                "profile_order": lambda: apsis.post(EXPORTS, ORDER),
                "email_order": lambda: apsis.post(REPORTS, {}),
                "email_status": lambda: apsis.get(f"{REPORTS}/rp-1"),
                "token": apsis.token,
                "sections": lambda: apsis.get("/audience/sections"),
            }
            apsis.sandbox.faults.add(f"{route}:500@1")
            assert [calls[route]().status_code == 500 for _ in range(2)] == [True, False]


def test_all_tokens_can_expire_at_once(apsis: ApsisCaller) -> None:
    apsis.options.expired_answer = 403
    url = apsis.ordered(ORDER)
    apsis.sandbox.faults.add("profile_poll:expire_token_now@1")
    assert [apsis.get(url).status_code for _ in range(2)] == [403, 403]
    apsis.login()
    assert apsis.get(url).status_code == 200


@pytest.mark.parametrize("path", [EXPORTS, REPORTS])
def test_an_order_can_be_taken_without_an_answer(apsis: ApsisCaller, path: str) -> None:
    apsis.options.pending_limit = 1
    apsis.login()
    apsis.sandbox.faults.add("*:order_then_reset@1")
    email = {"section_discriminator": MAIN, "start_at": "2026-11-19T00:00:00Z"}
    asked = ORDER if path == EXPORTS else email
    with pytest.raises(requests.ConnectionError):
        apsis.post(path, asked)
    assert apsis.post(path, asked).status_code == 429
    assert [call.status for call in apsis.sandbox.calls if call.path.endswith(path)] == [0, 429]
    apsis.wait()
    assert apsis.post(path, asked).status_code == 202


def test_a_poll_can_hang(apsis: ApsisCaller) -> None:
    url = apsis.ordered(ORDER)
    apsis.sandbox.faults.add("profile_poll:slow_first_byte=3600@1")
    with pytest.raises(requests.ReadTimeout):
        apsis.session.get(url, headers=apsis.headers(), timeout=0.2)
    assert apsis.get(url).status_code == 200


def test_an_order_can_be_refused_without_being_taken(apsis: ApsisCaller) -> None:
    apsis.options.pending_limit = 1
    apsis.login()
    apsis.sandbox.faults.add("profile_order:reset@1")
    with pytest.raises(requests.ConnectionError):
        apsis.post(EXPORTS, ORDER)
    assert apsis.post(EXPORTS, ORDER).status_code == 202


def test_a_plain_file_can_be_cut_with_the_length_of_what_is_left(apsis: ApsisCaller) -> None:
    url = apsis.ordered(ORDER)
    whole = body(apsis.get(url, stream=True))
    apsis.sandbox.faults.add("profile_poll:cut_file@1")
    answer = apsis.get(url, stream=True)
    cut = body(answer)
    assert int(answer.headers["Content-Length"]) == len(cut) == len(whole) // 2
    assert whole.startswith(cut)
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    assert body(apsis.get(url, stream=True)) == whole


def test_a_file_can_be_cut_before_it_is_packed(apsis: ApsisCaller) -> None:
    url = apsis.ordered(ORDER)
    whole = body(apsis.get(url, stream=True))
    apsis.sandbox.faults.add("profile_poll:cut_file@1")
    assert gzip.decompress(body(apsis.get(url, stream=True, encoding="gzip"))) == whole[: len(whole) // 2]


def test_a_gzip_can_be_broken_inside_a_whole_answer(apsis: ApsisCaller, case: Case) -> None:
    for kind, transfer in product(
        ["cut_gzip", "gzip_no_trailer", "gzip_bad_crc", "gzip_trailing"], ["chunked", "content_length"]
    ):
        with case(kind=kind, transfer=transfer):
            apsis.options.transfer = transfer
            url = apsis.ordered(ORDER)
            whole = body(apsis.get(url, stream=True, encoding="gzip"))
            apsis.sandbox.faults.add(f"profile_poll:{kind}@1")
            answer = apsis.get(url, stream=True, encoding="gzip")
            broken = body(answer)
            length = answer.headers.get("Content-Length")
            assert length == (str(len(broken)) if transfer == "content_length" or kind == "cut_gzip" else None)
            kept = {
                "cut_gzip": whole[: len(whole) // 2],
                "gzip_no_trailer": whole[:-8],
                "gzip_bad_crc": whole[:-8] + bytes([whole[-8] ^ 0xFF]) + whole[-7:],
                "gzip_trailing": whole + b"more bytes after the end",
            }
            assert broken == kept[kind]
            assert body(apsis.get(url, stream=True, encoding="gzip")) == whole


def test_the_connection_can_end_in_the_middle_of_a_file(apsis: ApsisCaller, case: Case) -> None:
    for layout, kind, encoding in product(
        ["one_line", "pretty"], ["cut_record", "cut_line", "cut_character"], ["identity", "gzip"]
    ):
        with case(layout=layout, kind=kind, encoding=encoding):
            apsis.options.layout = layout
            url = apsis.ordered(ORDER)
            whole = body(apsis.get(url, stream=True))
            apsis.sandbox.faults.add(f"profile_poll:{kind}=close@1")
            received = until_broken(apsis.get(url, stream=True, encoding=encoding))
            plain = zlib.decompressobj(wbits=31).decompress(received) if encoding == "gzip" else received
            assert len(whole) // 2 <= len(plain) < len(whole)
            assert whole.startswith(plain)
            if kind == "cut_line":
                assert plain.endswith(b"}},") or plain.rstrip().endswith(b"},")
            if kind == "cut_character":
                assert plain[-1] >= 0xC0


def test_the_connection_can_be_reset_in_the_middle_of_a_file(apsis: ApsisCaller) -> None:
    url = apsis.ordered(ORDER)
    apsis.sandbox.faults.add("profile_poll:cut_record=reset@1")
    with pytest.raises(BROKEN, match="reset"):
        body(apsis.get(url, stream=True))
    assert apsis.get(url).status_code == 200


def test_a_body_can_be_slow(apsis: ApsisCaller) -> None:
    url = apsis.ordered(ORDER)
    whole = body(apsis.get(url, stream=True))
    apsis.sandbox.faults.add("profile_poll:slow_body=0.0001@1")
    assert body(apsis.get(url, stream=True)) == whole


def test_an_email_file_can_be_broken_and_is_whole_the_next_time(apsis: ApsisCaller, case: Case) -> None:
    for kind in ["cut_file", "cut_gzip", "gzip_no_trailer", "cut_record", "503", "csv_then_error"]:
        with case(kind=kind):
            url = apsis.status(apsis.reported())["file_download_url"]
            whole = requests.get(url, timeout=30).content
            apsis.sandbox.faults.add(f"email_file:{kind}@1")
            try:
                broken = requests.get(url, timeout=30).content
                text = gzip.decompress(broken)
            except (EOFError, gzip.BadGzipFile, *BROKEN):
                text = b""
            assert text != gzip.decompress(whole)
            assert requests.get(url, timeout=30).content == whole


def test_a_rule_may_be_for_the_orders_of_one_day(apsis: ApsisCaller) -> None:
    apsis.sandbox.faults.add("*:500#2026-11-19")
    day_after = ORDER | {"events": {"start_at": "2026-11-20T00:00:00Z", "end_at": "2026-11-21T00:00:00Z"}}
    assert [apsis.post(EXPORTS, order).status_code for order in (ORDER, day_after)] == [500, 202]


def test_the_rest_of_a_reports_file_is_given_to_whoever_has_its_tag(apsis: ApsisCaller) -> None:
    link = apsis.get(f"{REPORTS}/{apsis.reported()}").json()["file_download_url"]
    whole = apsis.session.get(link, timeout=60)
    ask = {"Range": "bytes=1000-", "If-Range": whole.headers["ETag"]}
    rest = apsis.session.get(link, headers=ask, timeout=60)
    size = len(whole.content)
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert rest.headers["Content-Range"] == f"bytes 1000-{size - 1}/{size}"
    other = apsis.session.get(link, headers={**ask, "If-Range": '"another"'}, timeout=60)
    assert (other.status_code, other.content) == (200, whole.content)
    assert apsis.session.get(link, headers={**ask, "Range": f"bytes={size}-"}, timeout=60).status_code == 416
