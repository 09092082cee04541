"""S23 to S27: what goes wrong, when a rule says so."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import requests

import journey_pipeline.sandbox as sandbox_package
from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.fault_rules import Fault, Faults, parse_fault
from journey_pipeline.sandbox.faults import FAULTS
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.sfmc.rows import COLUMNS
from journey_pipeline_tests.sandbox.cases import Case

ALL = ",".join(COLUMNS)
START = datetime(2026, 11, 18, 9, tzinfo=UTC)


REFUSALS = {
    "401": (401, 0, None),
    "429": (429, 50100, "5"),
    "429_blocked": (429, 50200, None),
    "429_long": (429, 50100, "3600"),
    "500": (500, 0, None),
    "503": (503, 0, None),
    "504": (504, 0, None),
}


def test_a_refusal_comes_in_the_vendors_words(sandbox: Sandbox, caller: Any, asked: Any, case: Case) -> None:
    for kind, route in product(REFUSALS, ["download", "estimate"]):
        with case(kind=kind, route=route):
            status, code, retry_after = REFUSALS[kind]
            sandbox.faults.add(f"{route}:{kind}@1")
            answer = getattr(caller, route)(asked)
            assert (answer.status_code, answer.json()["errorcode"]) == (status, code)
            assert answer.headers.get("Retry-After") == retry_after
            assert str(answer.json().get("retryAfter", "")) == (retry_after or "")
            assert getattr(caller, route)(asked).status_code == 200


def test_a_bad_gateway_answers_html(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.faults.add("download:502")
    answer = caller.download(asked)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert answer.text.startswith("<html>")


def test_a_token_can_be_refused_by_rule(sandbox: Sandbox, caller: Any) -> None:
    sandbox.faults.add("token:503@1")
    assert [caller.token().status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("kind", ["refuse", "reset"])
def test_a_connection_can_end_without_an_answer(sandbox: Sandbox, caller: Any, asked: Any, kind: str) -> None:
    caller.login()
    sandbox.faults.add(f"estimate:{kind}@1")
    with pytest.raises(requests.ConnectionError):
        caller.estimate(asked)
    assert sandbox.calls.to("estimate")[0].status == 0
    assert caller.estimate(asked).status_code == 200


def test_the_first_byte_can_be_late(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    caller.login()
    url = f"{caller.base}/interaction/v1/interactions/journeyhistory/estimate"
    sandbox.faults.add("estimate:slow_first_byte=30@1")
    with pytest.raises(requests.ReadTimeout):
        caller.session.post(url, json=asked, headers=caller.headers(), timeout=0.1)
    sandbox.faults.add("estimate:slow_first_byte=0.01")
    assert caller.estimate(asked).json()["rowCount"] > 0


def test_a_body_can_be_slow(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = caller.raw_download(asked, columns=ALL)
    sandbox.faults.add("download:slow_body=0.001@1")
    assert caller.raw_download(asked, columns=ALL) == whole
    sandbox.faults.add("download:slow_body=30@1")
    with closing(caller.download(asked, columns=ALL, stream=True)) as answer:
        # Four kilobytes come at once, and nothing for half a minute.
        assert answer.raw.read(2_000, decode_content=False) == whole[:2_000]


def unpacked(packed: bytes) -> bytes:
    return zlib.decompressobj(wbits=31).decompress(packed)


def test_a_body_can_be_cut_with_the_connection(caller: Any, asked: Any, case: Case) -> None:
    for rule, transfer, encoding in product(
        ["cut_record", "cut_record=close", "cut_record=reset"], ["chunked", "content_length"], ["gzip", "identity"]
    ):
        with case(rule=rule, transfer=transfer, encoding=encoding):
            caller.sandbox.options.sfmc.transfer = transfer
            caller.sandbox.faults.add(f"download:{rule}@1")
            with closing(
                caller.download(asked, columns=ALL, headers={"Accept-Encoding": encoding}, stream=True)
            ) as answer:
                assert answer.status_code == 200
                with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)) as broken:
                    list(answer.iter_content(1 << 16))
            assert ("reset" in str(broken.value).lower()) is rule.endswith("reset")
            assert len(caller.rows(asked)) > 200


def records(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def cut_text(caller: Any, asked: Any, encoding: str) -> bytes:
    """The plain bytes of a cut body, read from a bare socket."""
    body = json.dumps(asked)
    head, _, rest = caller.on_the_wire(body, **{"Accept-Encoding": encoding}).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    received = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        received += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return unpacked(received) if encoding == "gzip" else received


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_cut_at_a_records_end_looks_complete(sandbox: Sandbox, caller: Any, asked: Any, encoding: str) -> None:
    whole = caller.download(asked).content
    sandbox.faults.add("download:cut_line@1")
    cut = cut_text(caller, asked, encoding)
    assert len(whole) / 2 <= len(cut) < len(whole)
    assert whole.startswith(cut)
    assert records(cut.decode()) == records(whole.decode())[: len(records(cut.decode()))]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_cut_inside_a_record_leaves_a_short_one(sandbox: Sandbox, caller: Any, asked: Any, encoding: str) -> None:
    whole = caller.download(asked).content
    sandbox.faults.add("download:cut_record@1")
    cut = cut_text(caller, asked, encoding)
    assert whole.startswith(cut)
    assert len(records(cut.decode())[-1]) < 8 == len(records(cut.decode())[-2])


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_cut_inside_a_character_leaves_no_text(sandbox: Sandbox, caller: Any, asked: Any, encoding: str) -> None:
    whole = caller.download(asked).content
    sandbox.faults.add("download:cut_character@1")
    cut = cut_text(caller, asked, encoding)
    assert whole.startswith(cut)
    assert len(cut) >= len(whole) / 2
    with pytest.raises(UnicodeDecodeError):
        cut.decode()


def test_a_gzip_can_end_in_the_middle_though_the_answer_is_complete(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = caller.raw_download(asked)
    sandbox.faults.add("download:cut_gzip@1")
    assert caller.raw_download(asked) == whole[: len(whole) // 2]


def test_a_gzip_can_lack_its_trailer(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = caller.raw_download(asked)
    sandbox.faults.add("download:gzip_no_trailer@1")
    short = caller.raw_download(asked)
    assert short == whole[:-8]
    with pytest.raises(EOFError):
        gzip.decompress(short)
    assert unpacked(short) == gzip.decompress(whole)


def test_a_gzip_can_have_a_wrong_checksum(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = caller.raw_download(asked)
    sandbox.faults.add("download:gzip_bad_crc@1")
    wrong = caller.raw_download(asked)
    assert (wrong[:-8], wrong[-7:], len(wrong)) == (whole[:-8], whole[-7:], len(whole))
    with pytest.raises(gzip.BadGzipFile, match="CRC"):
        gzip.decompress(wrong)


@pytest.mark.parametrize("transfer", ["chunked", "content_length"])
def test_bytes_can_follow_a_gzip(sandbox: Sandbox, caller: Any, asked: Any, transfer: Any) -> None:
    whole = caller.raw_download(asked)
    sandbox.options.sfmc.transfer = transfer
    sandbox.faults.add("download:gzip_trailing@1")
    assert caller.raw_download(asked).startswith(whole + b"more")


def test_faults_of_gzip_leave_plain_bytes_alone(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    whole = gzip.decompress(caller.raw_download(asked))
    for kind in ("cut_gzip", "gzip_no_trailer", "gzip_bad_crc", "gzip_trailing"):
        sandbox.faults.clear()
        sandbox.faults.add(f"download:{kind}")
        assert caller.raw_download(asked, encoding="identity") == whole


@pytest.mark.parametrize(("kind", "first"), [("json_200", "{"), ("html_200", "<")])
def test_an_error_can_come_with_status_200(sandbox: Sandbox, caller: Any, asked: Any, kind: str, first: str) -> None:
    sandbox.faults.add(f"download:{kind}")
    answer = caller.download(asked)
    assert (answer.status_code, answer.text[0]) == (200, first)


def test_an_error_can_follow_the_rows(sandbox: Sandbox, caller: Any, asked: Any, case: Case) -> None:
    for encoding, transfer in product(["gzip", "identity"], ["chunked", "content_length"]):
        with case(encoding=encoding, transfer=transfer):
            whole = caller.download(asked).content
            sandbox.options.sfmc.transfer = transfer
            sandbox.faults.add("download:csv_then_error")
            content = caller.download(asked, headers={"Accept-Encoding": encoding}).content
            assert content.startswith(whole)
            assert json.loads(content[len(whole) :])["errorcode"] == 0


def test_a_rule_hits_the_calls_it_counts(sandbox: Sandbox, caller: Any) -> None:
    freshness = "/journeyhistory/freshness"
    third = sandbox.faults.add("freshness:503@3")
    assert [caller.get(freshness).status_code for _ in range(4)] == [200, 200, 503, 200]
    first_two = sandbox.faults.add("freshness:500@1-2")
    assert [caller.get(freshness).status_code for _ in range(3)] == [500, 500, 200]
    from_second = sandbox.faults.add("sfmc/freshness:504@2-")
    assert [caller.get(freshness).status_code for _ in range(3)] == [200, 504, 504]
    assert [sandbox.faults.hits(rule) for rule in (third, first_two, from_second)] == [1, 2, 2]
    sandbox.faults.clear()
    assert caller.get(freshness).status_code == 200
    sandbox.faults.add("*:503")
    assert caller.get("").status_code == caller.get(freshness).status_code == 503


def test_a_rule_can_be_for_one_hour_alone(sandbox: Sandbox, caller: Any, asked: Any) -> None:
    sandbox.faults.add("download:503#2026-11-18T09")
    other = {"start": "2026-11-18T10:00:00Z", "end": "2026-11-18T11:00:00Z"}
    assert caller.download(other).status_code == 200
    assert caller.download(asked).status_code == 503
    assert caller.download({"start": "2026-11-18T09:30:00Z", "end": "2026-11-18T09:31:00Z"}).status_code == 503
    assert caller.download({}).status_code == 200


def test_a_rate_hits_its_share_and_the_same_calls_every_time() -> None:
    def hit() -> list[bool]:
        faults = Faults(seed=7)
        faults.add("download:503~0.2")
        return [faults.pick("sfmc", "download", None) is not None for _ in range(500)]

    assert 60 < sum(hit()) < 140
    assert hit() == hit()
    other = Faults(seed=8)
    other.add("download:503~0.2")
    assert [other.pick("sfmc", "download", None) is not None for _ in range(500)] != hit()


def test_a_rule_can_be_written_and_read(case: Case) -> None:
    for text in [
        "download:503",
        "download:503@3",
        "download:cut_gzip~0.1",
        "sfmc/estimate:429@1-2#2026-11-20T09",
        "*:slow_first_byte=2.5@4-",
        "token:401~0.25#2026-11-20",
        "download:cut_record=reset@1-9",
    ]:
        with case(text=text):
            assert str(parse_fault(text)) == text


def test_a_rule_that_can_not_be_read_names_the_allowed_forms(case: Case) -> None:
    for text in [
        "",
        "download",
        "download:",
        "download:503@0",
        "download:503@3-2",
        "download:503@x",
        "download:nonsense",
        "download:503=5",
        "download:slow_body=quick",
        "download:cut_line=softly",
        "download:503~2",
        "download:503~0.1.2",
        "download:503#yesterday",
        "download:503#2026-13-01",
        "download:503@1~0.5",
    ]:
        with case(text=text):
            with pytest.raises(ConfigError) as refused:
                parse_fault(text)
            assert "download:cut_gzip~0.1" in str(refused.value)
            assert all(kind in str(refused.value) for kind in FAULTS)


def test_every_fault_is_answered_where_it_is_named_or_looked_for_by_a_vendor() -> None:
    folder = Path(sandbox_package.__file__).parent
    vendors = "".join(path.read_text() for path in folder.glob("*/*.py"))
    idle = [name for name, of in FAULTS.items() if not (of.answer or of.body or of.delay_s)]
    assert idle == ["expire_token_now", "fail_export", "order_then_reset"]
    assert [name for name in idle if f'"{name}"' not in vendors] == []
    # "reset" is also an ending of bodies.
    names = FAULTS.keys() - {"reset"}
    elsewhere = {path.name for path in folder.glob("*.py") for name in names if f'"{name}"' in path.read_text()}
    assert elsewhere == {"faults.py"}


def test_a_fault_made_by_hand_is_checked_too() -> None:
    with pytest.raises(ConfigError, match="no such kind"):
        Fault("download", "nonsense")
    with pytest.raises(ConfigError, match="whole hour or day"):
        Fault("download", "503", window=Window(START, START + timedelta(minutes=5)))
