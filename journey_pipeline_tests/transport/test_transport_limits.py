from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from journey_pipeline.errors import ConfigError
from journey_pipeline.transport import retry
from journey_pipeline.transport.retry import Gate, Limits, Waits, gate
from journey_pipeline_tests.transport.flaky_server import FlakyServer, MakeClient, Piece, Seen, answer, json


class Crowd:
    """Counts how many requests are on the server at once; lets them go once enough have come."""

    def __init__(self, enough: int) -> None:
        self.lock = threading.Lock()
        self.here = 0
        self.most = 0
        self.enough = threading.Barrier(enough)

    def reply(self, _seen: Seen) -> Iterable[Piece]:
        with self.lock:
            self.here += 1
            self.most = max(self.most, self.here)
        self.enough.wait(30)
        with self.lock:
            self.here -= 1
        return json({})


@pytest.mark.parametrize("places", [1, 2, 5])
def test_a_connection_never_has_more_calls_at_once_than_allowed_whatever_its_clients(
    server: FlakyServer, client_of: MakeClient, places: int
) -> None:
    crowd = Crowd(places)
    server.on("/x", crowd.reply)
    settings: dict[str, Any] = {"connection": f"acme_{uuid.uuid4().hex}", "limits": Limits(1e9, places)}
    clients = [client_of(server, **settings) for _ in range(3)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda number: clients[number % 3].send("GET", "/x"), range(places * 4)))
    assert crowd.most == places


def test_requests_of_a_connection_are_spread_over_time(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", json({}))
    settings: dict[str, Any] = {"connection": f"acme_{uuid.uuid4().hex}", "limits": Limits(2.0, 1)}
    clients = [client_of(server, **settings) for _ in range(2)]
    started_s = retry.monotonic_s()
    for number in range(7):
        clients[number % 2].send("GET", "/x")
    assert retry.monotonic_s() - started_s >= 6 / 2.0 - 0.01
    assert len(waits.rate_limited) == 6
    assert all(wait <= 0.5 for wait in waits.rate_limited)
    assert waits == []


def test_connections_do_not_slow_each_other_down(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", json({}))
    for _ in range(4):
        client_of(server, limits=Limits(0.01, 1)).send("GET", "/x")
    assert waits.rate_limited == []


def test_redirects_and_further_attempts_count(server: FlakyServer, client_of: MakeClient, waits: Waits) -> None:
    server.on("/x", answer(302, Location="/y"))
    server.on("/y", answer(503), json({}))
    client_of(server, limits=Limits(0.1, 1)).send("GET", "/x")
    # Four requests: three gaps of 10 s, of which the wait before the second attempt takes its share.
    assert sum(waits.rate_limited) + sum(waits) == pytest.approx(30, abs=1)
    assert len(server.seen) == 4


def test_a_throttled_connection_pauses_for_all_its_threads(
    server: FlakyServer, client_of: MakeClient, waits: Waits
) -> None:
    server.on("/x", answer(429, Retry_After="50"), json({}))
    server.on("/y", json({}))
    name = f"acme_{uuid.uuid4().hex}"
    client = client_of(server, connection=name)
    gate(name).pause(50)
    client.send("GET", "/y")
    assert waits.rate_limited == [pytest.approx(50, abs=1)]
    client.send("GET", "/x")
    assert waits == [50.0]


def test_threads_are_served_in_the_order_in_which_they_came() -> None:
    door, limits = Gate(), Limits(1e9, 1)
    order: list[int] = []

    def visit(number: int) -> None:
        with door.slot(limits):
            order.append(number)

    with door.slot(limits):
        threads: list[threading.Thread] = []
        for number in range(8):
            threads.append(threading.Thread(target=visit, args=(number,)))
            threads[-1].start()
            while len(door._queue) <= number:
                threading.Event().wait(0.001)
    for thread in threads:
        thread.join(10)
    assert order == list(range(8))


def test_a_place_is_given_back_after_an_error() -> None:
    door, limits = Gate(), Limits(1e9, 1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="inside"), door.slot(limits):
            raise RuntimeError("inside")
    assert door._active == 0


@pytest.mark.parametrize(("rate", "places"), [(0, 1), (-1, 1), (1, 0)])
def test_limits_that_allow_nothing_are_a_configuration_error(rate: float, places: int) -> None:
    with pytest.raises(ConfigError, match="above zero"):
        Limits(rate, places)
