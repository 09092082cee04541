from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Window
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.sfmc.options import SfmcOptions
from journey_pipeline.sandbox.world import World
from journey_pipeline.signals import ENDINGS
from journey_pipeline_tests.sandbox.apsis_caller import ApsisCaller

NOW = datetime(2026, 11, 20, 20, tzinfo=UTC)
RUN = """
import sys
from journey_pipeline.sandbox.server import run
from journey_pipeline.sandbox.world import World
def ready(sandbox):
    print(sandbox.url, flush=True)
run(port=0, world=World(rows_per_hour=200), faults=sys.argv[1:], on_ready=ready)
print("stopped", flush=True)
"""


def test_a_sandbox_tells_where_it_is_and_how_to_get_in(world: World) -> None:
    options = SandboxOptions(sfmc=SfmcOptions(client_id="mine", account_id="7"))
    with serve(world, clock=SandboxClock.frozen(NOW), options=options) as sandbox:
        expected = {
            "SFMC_AUTH_URL": f"{sandbox.url}/sfmc",
            "SFMC_REST_URL": f"{sandbox.url}/sfmc",
            "SFMC_CLIENT_ID": "mine",
            "SFMC_CLIENT_SECRET": "sandbox-secret",
            "SFMC_ACCOUNT_ID": "7",
            "LAYERFIVE_URL": f"{sandbox.url}/layerfive",
            "LAYERFIVE_API_KEY": "sandbox-layerfive-key",
            "APSIS_URL": f"{sandbox.url}/apsis",
            "APSIS_CLIENT_ID": "sandbox",
            "APSIS_CLIENT_SECRET": "sandbox-secret",
        }
        assert expected.items() <= sandbox.environment().items()
        assert sandbox.world is world
        assert requests.get(f"{sandbox.url}/_sandbox/health", timeout=30).json()["status"] == "ok"


def test_several_sandboxes_run_side_by_side(world: World) -> None:
    with serve(world, clock=SandboxClock.frozen(NOW)) as one, serve(world, clock=SandboxClock.frozen(NOW)) as other:
        one.faults.add("token:503")
        assert one.url != other.url
        assert requests.post(f"{one.url}/sfmc/v2/token", json={}, timeout=30).status_code == 503
        assert requests.post(f"{other.url}/sfmc/v2/token", json={}, timeout=30).status_code == 400


def test_a_stopped_sandbox_is_gone_with_its_files_and_its_open_downloads(world: World, tmp_path: Path) -> None:
    with serve(world, clock=SandboxClock.frozen(NOW), faults=["download:slow_body=30"], cache_dir=tmp_path) as sandbox:
        token = requests.post(
            f"{sandbox.url}/sfmc/v2/token",
            json={"grant_type": "client_credentials", "client_id": "sandbox", "client_secret": "sandbox-secret"},
            timeout=30,
        ).json()["access_token"]
        answer = requests.post(
            f"{sandbox.url}/sfmc/interaction/v1/interactions/journeyhistory/download",
            json={"start": "2026-11-20T09:00:00Z", "end": "2026-11-20T12:00:00Z"},
            headers={"Authorization": f"Bearer {token}", "x-direct-pipe": "true"},
            stream=True,
            timeout=30,
        )
        assert list(tmp_path.glob("*/*.csv.gz"))
    with closing(answer), pytest.raises(requests.RequestException):
        list(answer.iter_content(1 << 16))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{sandbox.url}/_sandbox/health", timeout=30)


def test_a_sandbox_that_is_stopped_while_it_makes_an_answer_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with serve(World(), clock=SandboxClock.frozen(NOW)) as sandbox:
        caller = ApsisCaller(sandbox)
        months = caller.everything(Window(NOW - timedelta(days=60), NOW))  # its first piece takes seconds
        answer = caller.get(caller.ordered(months), stream=True, encoding="gzip")
    with closing(answer), pytest.raises(requests.RequestException):
        list(answer.iter_content(1 << 16))
    assert caplog.records == []


def test_a_taken_port_is_a_matter_for_a_person(world: World) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}.*choose another"), serve(world, port=port):
            pass


def test_a_wrong_fault_rule_stops_the_start(world: World) -> None:
    with pytest.raises(ConfigError, match="no such kind of fault"), serve(world, faults=["download:nonsense"]):
        pass


@pytest.mark.slow(reason="a new interpreter")
@pytest.mark.parametrize("stop", ENDINGS)
def test_a_running_sandbox_ends_cleanly_at_a_signal_with_a_call_under_way(stop: signal.Signals) -> None:
    command = [sys.executable, "-c", RUN, "token:slow_first_byte=600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        host, port = url.removeprefix("http://").split(":")
        with closing(socket.create_connection((host, int(port)), timeout=30)) as waiting:
            waiting.sendall(b"POST /sfmc/v2/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            calls = f"{url}/_sandbox/calls"
            while not requests.get(calls, timeout=30).json()["count"]:
                pass
            process.send_signal(stop)
            output, errors = process.communicate(timeout=20)
    assert (process.returncode, output, errors) == (0, "stopped\n", "")


@pytest.mark.slow(reason="a new interpreter")
def test_the_command_lets_vendors_keep_as_many_days_as_it_is_told() -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "sandbox", "--port", "0", "--days", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[2]
        options = requests.get(f"{url}/_sandbox/options", timeout=30).json()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert {name: each.get("retention_days") for name, each in options.items()} == {
        "apsis": None,
        "insider": None,
        "layerfive": 2,
        "sfmc": 2,
    }


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = SandboxClock.frozen(NOW)
    assert clock.now() == clock.now() == NOW
    clock.move(timedelta(days=-3))
    assert clock.now() == NOW - timedelta(days=3)
    clock.set(NOW)
    clock.run(0)
    assert clock.now() == NOW


def test_a_clock_that_runs_goes_on_from_where_it_was_set() -> None:
    clock = SandboxClock(NOW, speed=1_000_000)
    seen = [clock.now() for _ in range(1_000)]
    assert seen == sorted(seen)
    assert NOW <= seen[0] < seen[-1]
    clock.freeze()
    stopped_at = clock.now()
    assert seen[-1] <= stopped_at == clock.now()


def test_a_clock_without_a_zone_or_running_backwards_is_refused() -> None:
    with pytest.raises(ConfigError, match="zone"):
        SandboxClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    with pytest.raises(ConfigError, match="backwards"):
        SandboxClock(NOW, speed=-1)
