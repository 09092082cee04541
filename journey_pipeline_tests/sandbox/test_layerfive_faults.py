"""L6 and L7: what goes wrong when a rule says so, and answers of any size."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from contextlib import closing
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
import requests

from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.sandbox.cases import Case
from journey_pipeline_tests.sandbox.layerfive_caller import DAY, NOW, LayerFiveCaller

pytestmark = pytest.mark.slow(reason="answers that look back ninety days")

WHEN = "2026-11-19"
REFUSALS = {
    "401": (401, None),
    "429": (429, "5"),
    "429_blocked": (429, None),
    "429_long": (429, "3600"),
    "503": (503, None),
}


def test_a_refusal_comes_in_the_vendors_words(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    for kind, expected in REFUSALS.items():
        with case(kind=kind):
            sandbox.faults.add(f"customer_journeys:{kind}@1")
            answer = layerfive.get(event_date=WHEN)
            assert (answer.status_code, answer.headers.get("Retry-After")) == expected
            assert list(answer.json()) == ["detail"]
            assert layerfive.get(event_date=WHEN).status_code == 200


def test_a_broken_server_answers_html(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    for kind in ["500", "502", "504"]:
        with case(kind=kind):
            sandbox.faults.add(f"layerfive/customer_journeys:{kind}")
            answer = layerfive.get(event_date=WHEN)
            assert (answer.status_code, answer.text[0]) == (int(kind), "<")


def test_an_error_can_come_with_status_200(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.faults.add("customer_journeys:json_200@1")
    assert layerfive.document(event_date=WHEN) == {"detail": "Something broke."}
    sandbox.faults.add("customer_journeys:html_200@1")
    page = layerfive.get(event_date=WHEN)
    assert (page.status_code, page.text[:6]) == (200, "<html>")


@pytest.mark.parametrize("kind", ["refuse", "reset"])
def test_a_connection_can_end_without_an_answer(sandbox: Sandbox, layerfive: LayerFiveCaller, kind: str) -> None:
    sandbox.faults.add(f"customer_journeys:{kind}@1")
    with pytest.raises(requests.ConnectionError):
        layerfive.get(event_date=WHEN)
    assert layerfive.get(event_date=WHEN).status_code == 200


def test_a_rule_can_be_for_the_call_that_names_a_day_alone(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    sandbox.faults.add(f"customer_journeys:503#{WHEN}")
    assert layerfive.get(event_date="2026-11-18").status_code == 200
    assert layerfive.get(event_date=WHEN).status_code == 503
    assert layerfive.get().status_code == 200


def test_a_body_can_be_cut_with_the_connection(sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case) -> None:
    for rule, transfer, encoding in product(
        ["cut_record=close", "cut_record=reset", "cut_line", "cut_character"],
        ["chunked", "content_length"],
        ["gzip", "identity"],
    ):
        with case(rule=rule, transfer=transfer, encoding=encoding):
            sandbox.options.layerfive.transfer = transfer  # type: ignore[assignment]
            sandbox.faults.add(f"customer_journeys:{rule}@1")
            headers = layerfive.headers(**{"Accept-Encoding": encoding})
            with closing(layerfive.get(event_date=WHEN, headers=headers, stream=True)) as answer:
                assert answer.status_code == 200
                with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
                    list(answer.iter_content(1 << 16))
            assert layerfive.records(event_date=WHEN)


def cut_text(layerfive: LayerFiveCaller, encoding: str) -> bytes:
    """The plain bytes of a cut body, read from a bare socket."""
    head, _, rest = layerfive.on_the_wire({"event_date": WHEN}, **{"Accept-Encoding": encoding}).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    received = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        received += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return zlib.decompressobj(wbits=31).decompress(received) if encoding == "gzip" else received


def test_a_cut_goes_through_a_name_between_two_records_or_through_text(
    sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case
) -> None:
    sandbox.options.layerfive.odd = ("text",)
    sandbox.options.layerfive.odd_one_in = 2
    whole = layerfive.get(event_date=WHEN).content
    for encoding, kind in product(["gzip", "identity"], ["cut_record", "cut_line", "cut_character"]):
        with case(encoding=encoding, kind=kind):
            sandbox.options.layerfive.odd = ("text",)
            sandbox.options.layerfive.odd_one_in = 2
            sandbox.faults.add(f"customer_journeys:{kind}@1")
            cut = cut_text(layerfive, encoding)
            assert whole.startswith(cut)
            assert len(whole) / 2 <= len(cut) < len(whole)
            if kind == "cut_record":
                assert cut.endswith(b'\n{"individual')
            elif kind == "cut_line":
                assert cut.endswith(b"},\n")
                assert len(json.loads(cut.removesuffix(b",\n") + b"]}")["results"]) > 100
            else:
                with pytest.raises(UnicodeDecodeError):
                    cut.decode()


def test_a_gzip_can_be_broken_though_the_answer_is_complete(
    sandbox: Sandbox, layerfive: LayerFiveCaller, case: Case
) -> None:
    for kind in ["cut_gzip", "gzip_no_trailer", "gzip_bad_crc"]:
        with case(kind=kind):

            def packed() -> bytes:
                with closing(layerfive.get(event_date=WHEN, stream=True)) as answer:
                    return bytes(answer.raw.read(decode_content=False))

            whole = packed()
            sandbox.faults.add(f"customer_journeys:{kind}@1")
            broken = packed()
            assert broken != whole
            assert broken[: len(broken) - 8] == whole[: len(broken) - 8]


def test_a_body_can_be_slow(sandbox: Sandbox, layerfive: LayerFiveCaller) -> None:
    whole = layerfive.get(event_date=WHEN).content
    sandbox.faults.add("customer_journeys:slow_body=0.001@1")
    assert layerfive.get(event_date=WHEN).content == whole
    sandbox.faults.add("customer_journeys:slow_body=30@1")
    headers = layerfive.headers(**{"Accept-Encoding": "identity"})
    with closing(layerfive.get(event_date=WHEN, headers=headers, stream=True)) as answer:
        assert answer.raw.read(2_000) == whole[:2_000]


def test_two_accounts_have_each_their_own_people(world: World) -> None:
    clock = SandboxClock.frozen(NOW)
    with serve(world, clock=clock) as one, serve(World(seed=11, touchpoints_per_day=100), clock=clock) as other:
        times = [LayerFiveCaller(sandbox).records(event_date=WHEN) for sandbox in (one, other)]
    assert not {record["session_id"] for record in times[0]} & {record["session_id"] for record in times[1]}


@pytest.mark.slow(reason="big answers are served")
def test_memory_does_not_grow_with_the_answer(tmp_path: Path) -> None:
    world = World(touchpoints_per_day=3_000, steady=True)
    with serve(world, clock=SandboxClock.frozen(datetime(2026, 11, 20, tzinfo=UTC)), cache_dir=tmp_path) as sandbox:
        caller = LayerFiveCaller(sandbox)

        def read(days: int) -> tuple[int, int]:
            """The size of the answer to so many days, and the most memory that it took."""
            tracemalloc.start()
            try:
                since = f"{NOW - days * DAY:%Y-%m-%d}"
                with closing(caller.get(event_date=since, stream=True)) as answer:
                    size_bytes = sum(len(chunk) for chunk in answer.iter_content(1 << 16))
                return size_bytes, tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

        read(1)
        small, large = read(2), read(12)
        left = [path.name for folder in tmp_path.iterdir() for path in folder.rglob("*")]
        assert left == [".in-use"], "the file has no name, and goes with the answer"
    assert large[0] > 3 * small[0]
    assert large[1] < 1.5 * small[1] + 4_000_000
