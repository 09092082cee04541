from __future__ import annotations

import gc
import html
import json
import logging
import time
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest

from journey_pipeline.errors import VendorError
from journey_pipeline.transport.auth import ClientCredentials
from journey_pipeline.transport.redaction import RedactingFilter, Redactor, everywhere
from journey_pipeline.transport.retry import Waits
from journey_pipeline_tests.transport import flaky_server
from journey_pipeline_tests.transport.flaky_server import FlakyServer, MakeClient, Reply, answer, close, gz, head

SECRETS = ['Pa"ss/wo\\rd + ä&x=1', "eyJhbGciOi.J9-_~token", "with space and ünï 😀", "a/b?c#d%e"]


def spellings(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield quote_plus(secret).replace("%2F", "%2f").replace("%3F", "%3f")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    yield json.dumps(secret)[1:-1].replace("&", "\\u0026").replace("=", "\\u003D")
    yield html.escape(secret)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_known_secret_is_taken_out_in_every_spelling(secret: str) -> None:
    redactor = Redactor([secret])
    for spelling in spellings(secret):
        assert redactor.known(f"before|{spelling}|after") == "before|***|after"


def test_a_secret_within_another_does_not_leave_the_rest_of_it() -> None:
    assert Redactor(["abcd", "abcd-efgh"]).text("is abcd-efgh") == "is ***"


def test_blank_and_tiny_secrets_do_not_destroy_the_text() -> None:
    assert Redactor(["", "  ", "a", "abc"]).text("abacus abc") == "abacus abc"


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("GET https://a.example/x?sig=abc&y=1 failed", "GET https://a.example/x?*** failed"),
        ("see https://user:pass@a.example/x", "see https://***@a.example/x"),
        ("see https://a.example/x#access_token=abc.", "see https://a.example/x?***"),
        ('"POST /v2/file?X-Amz-Signature=abc HTTP/1.1" 200', '"POST /v2/file?*** HTTP/1.1" 200'),
        ("exceeded with url: /a/b?token=abc (Caused by", "exceeded with url: /a/b?*** (Caused by"),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("{'Authorization': 'Bearer abc'}", "{'Authorization': ***"),
        ("x-api-key = abc", "x-api-key = ***"),
        ("Set-Cookie: sid=1; Path=/", "Set-Cookie: ***"),
        ("sent bearer eyJhbGciOiJIUzI1NiJ9 away", "sent bearer *** away"),
        ("sent Basic dXNlcjpwYXNzd29yZA== away", "sent Basic *** away"),
        ("access_token=abc&scope=x", "access_token=***&scope=x"),
        ('{"access_token":"abc","expires_in":5}', '{"access_token":"***","expires_in":5}'),
        ('{\\"client_secret\\": \\"abc\\"}', '{\\"client_secret\\": \\"***\\"}'),
        ("{'password': 'abc'}", "{'password': '***'}"),
        ("no such contact: Ann.Bell+x@mail.example.com!", "no such contact: ***@***!"),
        ("key=ann%40example.com", "key=***@***"),
    ],
)
def test_what_looks_like_a_secret_or_a_person_is_taken_out(text: str, redacted: str) -> None:
    assert Redactor().text(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T09:00:00Z/2026-11-20T10:00:00Z",
        "unknown column Foo in columns, is it Bar?",
        "token: missing; the bearer of it; basic information about the contact",
        '{"message":"Not Authorized","errorcode":0}',
        "POST https://mc123.rest.example.com/interaction/v1/journeyhistory/download",
        "12 @ 3.50",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


def test_a_quote_is_short_and_on_one_line() -> None:
    quoted = Redactor().quote(b"<html>\r\n  <b>Down</b>\n" + b"x" * 1000)
    assert quoted.startswith("<html> <b>Down</b> xxx")
    assert (len(quoted), quoted[-1]) == (300, "…")


@pytest.mark.parametrize("offset", [*range(280, 301), *range(8170, 8200)])
def test_a_secret_at_the_edge_of_a_quote_does_not_show_its_first_half(offset: int) -> None:
    body = (b"word " * 2000)[: offset - 1] + b" " + b"hush-hush-secret" + b" word" * 2000
    assert "hush" not in Redactor(["hush-hush-secret"]).quote(body)


def test_the_half_of_a_secret_at_the_end_of_what_is_looked_at_is_not_quoted() -> None:
    secret = "hush-hush-secret"
    body = b" ".join([b"x" * 190, *[secret.encode()] * 1000])
    assert "hush" not in Redactor([secret]).quote(body)


def test_bytes_that_are_no_text_can_be_quoted() -> None:
    assert Redactor().quote(b"\xff\xfe\x00ok") == "��\x00ok"


@pytest.mark.parametrize("text", ["a" * 60_000, "/" * 60_000, "token" * 12_000, "a@" * 30_000, "http://" * 8000])
def test_redaction_is_quick_on_whatever_comes(text: str) -> None:
    started_s = time.process_time()
    Redactor(["hush-hush-secret"]).quote(text.encode())
    assert time.process_time() - started_s < 2


def test_the_filter_cleans_records_of_all_clients_and_tracebacks(all_logs: pytest.LogCaptureFixture) -> None:
    first, second = Redactor(["hush-of-the-first"]), Redactor(["hush-of-the-second"])
    logger = logging.getLogger("acme.somewhere")
    guard = RedactingFilter()
    logger.addFilter(guard)
    try:
        logger.info("got %s and %s", "hush-of-the-first", {"x": "hush-of-the-second"})
        try:
            int("hush-of-the-first")
        except ValueError:
            logger.exception("failed for ann@example.com")
    finally:
        logger.removeFilter(guard)
    assert all_logs.messages == ["got *** and {'x': '***'}", "failed for ***@***"]
    assert "ValueError: invalid literal for int() with base 10: '***'" in all_logs.text
    assert "hush" not in all_logs.text
    assert first is not second


def test_a_client_that_is_gone_takes_its_secrets_with_it() -> None:
    redactor = Redactor(["hush-of-nobody"])
    assert everywhere("hush-of-nobody") == "***"
    del redactor
    gc.collect()
    assert everywhere("hush-of-nobody") == "hush-of-nobody"


FAULTS: dict[str, Reply] = {
    "refused": answer(400, b'{"error":"bad secret","you_sent":"hush%2Dhush-secret","token":"minted-token-1"}'),
    "refused with headers in the body": answer(403, b"Authorization: Bearer minted-token-1 by ann@example.com"),
    "down": answer(503, b"minted-token-1 hush-hush-secret"),
    "cut": [head(Content_Length="100") + b"minted-token-1", close],
    "gone": [close],
    "not json": answer(body=b"<p>minted-token-1 hush-hush-secret</p>"),
    "broken gzip": [head(Content_Encoding="gzip") + gz(b"minted-token-1")[:-1], close],
    "redirected": answer(307, Location="http://elsewhere.invalid/x?sig-1234"),
    "redirected in a circle": answer(307, Location="/x?sig-1234=1"),
    "token refused": answer(200),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_secret_shows_in_any_message_or_log_whatever_goes_wrong(
    server: FlakyServer, client_of: MakeClient, waits: Waits, all_logs: pytest.LogCaptureFixture, fault: str
) -> None:
    server.on("/token", flaky_server.json({"access_token": "minted-token-1", "expires_in": 600}))
    if fault == "token refused":
        server.on("/token", answer(401, b'{"client_id":"client-1234","client_secret":"hush-hush-secret"}'))
    server.on("/x", FAULTS[fault])
    auth = ClientCredentials(
        f"{server.url}/token?sig-1234=1", {"client_id": "client-1234", "client_secret": "hush-hush-secret"}
    )
    client = client_of(server, auth=auth, secrets=("key-of-a-person",))
    with pytest.raises(VendorError) as caught:
        client.send("POST", "/x", query="sig-1234=1", json={}, headers={"X-Key": "key-of-a-person"}).json()
    said = f"{caught.value}\n{all_logs.text}\n{[record.__dict__ for record in all_logs.records]}"
    for secret in ("hush", "client-1234", "minted-token", "key-of-a-person", "sig-1234", "ann@"):
        assert secret not in said
    assert len(all_logs.records) > 0
    assert len(waits) <= 3


def test_a_secret_is_taken_out_of_bytes_of_any_kind() -> None:
    redactor = Redactor(["hush-hush"])
    assert redactor.known_in(b"\xff\xfe hush-hush \x00 hush%2Dhush") == b"\xff\xfe *** \x00 ***"
