"""When a request is sent, and when it is tried again: what a connection allows, its pace, tries, waits and the clock.

Vendors throttle by account, so pace and places are counted by the connection's name over all clients of this process.
Tries take seconds to minutes; longer ones belong to the asset's policy in `components/`. Only here the transport sleeps
and tells time, so that tests can switch the sleeping off: a wait is recorded then, and the monotonic clock is moved on
by it. Not here: how a status becomes an error (`client.py`).
"""

from __future__ import annotations

import copy
import enum
import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from journey_pipeline import settings
from journey_pipeline.errors import ConfigError, NotSentError, RepeatedCutError, TransientVendorError

if TYPE_CHECKING:
    import tenacity


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request, in seconds.

    Attributes:
        connect_s: Until the connection stands.
        first_byte_s: From the request to the end of the answer's head; exports think for a while before they answer.
        idle_s: Between two pieces of the body.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 60.0


class Action(enum.Enum):
    """Actions for an answer's status."""

    ANSWER = "hand it back"
    RETRY = "try again"
    RENEW_AUTH = "renew the credentials once, then give up"
    PERMANENT = "give up"


STATUSES: Mapping[int, Action] = MappingProxyType(
    {401: Action.RENEW_AUTH, 408: Action.RETRY, 425: Action.RETRY, 429: Action.RETRY}
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long, and for which answers.

    Attributes:
        attempts: Requests in a row that bring nothing, the first one included.
        first_wait_s: Wait before the second; it doubles from there. Up to half of it comes on top of every wait,
            at random.
        longest_wait_s: Where the doubling ends.
        retry_after_ceiling_s: Longest `Retry-After` that is waited for here. The caller handles longer ones.
        deadline_s: For all attempts together, waits and a body that still comes included; None: as long as the setting
            for one answer says.
        statuses: What to do about a status, where it differs from `STATUSES` and from the rule of its class: 2xx is
            an answer, 5xx is tried again, anything else is permanent.
        least_wait_s: By status, the shortest wait where the vendor gives no `Retry-After`.
        meanings: By status, words of the body, in any case, by which a refusal means another status: by 401 the
            credential has expired, and is renewed once.
        of_connection: Refusals that every request of the connection would meet, if the route has answered none: of a
            right that is missing, of a route that is not there.
    """

    attempts: int = 4
    first_wait_s: float = 2.0
    longest_wait_s: float = 60.0
    retry_after_ceiling_s: float = 120.0
    deadline_s: float | None = None
    statuses: Mapping[int, Action] = field(default_factory=dict)
    least_wait_s: Mapping[int, float] = field(default_factory=dict)
    meanings: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    of_connection: frozenset[int] = frozenset({403, 404})

    def meant(self, status: int, body: bytes) -> int:
        """The status that a refusal means."""
        words = self.meanings.get(status, {}).items()
        return next((meant for word, meant in words if word.encode() in body.lower()), status)

    def action(self, status: int) -> Action:
        """The action for a status."""
        for table in (self.statuses, STATUSES):
            if status in table:
                return table[status]
        by_class = {2: Action.ANSWER, 5: Action.RETRY}
        return by_class.get(status // 100, Action.PERMANENT)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection. The defaults are for vendors that publish none (assumed).

    Attributes:
        requests_per_s: Starts of requests, spread evenly.
        concurrency: Calls at a time. A call that waits for its next attempt keeps its place: a vendor in trouble is
            not asked by the next in line.
    """

    requests_per_s: float = 1.0
    concurrency: int = 2

    def __post_init__(self) -> None:
        if self.requests_per_s <= 0 or self.concurrency < 1:
            raise ConfigError(f"limits must be above zero, got {self}")

    def paced(self, requests_per_s: str | None) -> Limits:
        """The same with a pace that a variable gives; as they are where it is not set.

        Raises:
            ConfigError: If it is not a number above zero.
        """
        if requests_per_s is None:
            return self
        try:
            return replace(self, requests_per_s=float(requests_per_s))
        except ValueError:
            raise ConfigError(
                f"REQUESTS_PER_SECOND of a connection is {requests_per_s!r}; write a number such as 1.5"
            ) from None


NO_WAITING_VARIABLE = "JOURNEY_PIPELINE_NO_WAITING"
_SHORTEST_S = 0.001


class Waits(list[float]):
    """The waits that were not slept, in seconds; `rate_limited`: those that only kept a connection's rate."""

    def __init__(self) -> None:
        super().__init__()
        self.rate_limited: list[float] = []


class _Clock:
    """How far the monotonic clock was moved on. It never goes back, not even when a switch is turned off.

    Attributes:
        one_try_s: See `one_try`; None outside of it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ahead_s = 0.0
        self.switches: list[Waits] = []
        self.one_try_s: float | None = None


_clock = _Clock()


def monotonic_s() -> float:
    """Seconds on a clock that only moves forward, waits that were skipped included."""
    return time.monotonic() + _clock.ahead_s


def wait(seconds: float, *, for_rate: bool = False) -> None:
    """Sleeps, from a millisecond on, or records the wait while waiting is switched off.

    `for_rate`: it only keeps a connection's rate.
    """
    if seconds < _SHORTEST_S:
        return
    until_s = monotonic_s() + seconds
    with _clock.lock:
        skipped = bool(_clock.switches) or os.environ.get(NO_WAITING_VARIABLE, "") not in {"", "0"}
        if skipped:
            # Threads that wait at the same time wait together, so the clock moves to a moment, not by an amount.
            _clock.ahead_s = max(_clock.ahead_s, until_s - time.monotonic())
            for waits in _clock.switches:
                (waits.rate_limited if for_rate else waits).append(seconds)
    if not skipped:
        time.sleep(seconds)


@contextmanager
def no_waiting() -> Iterator[Waits]:
    """For tests: waits of all threads end at once and are recorded.

    A child process is told by the variable `JOURNEY_PIPELINE_NO_WAITING=1`, which is read at every wait.
    """
    waits = Waits()
    with _clock.lock:
        _clock.switches.append(waits)
    try:
        yield waits
    finally:
        with _clock.lock:
            _clock.switches = [other for other in _clock.switches if other is not waits]


@contextmanager
def one_try(call_s: float) -> Iterator[None]:
    """For a person who waits: inside of it each call makes one attempt, which may take so many seconds in all."""
    _clock.one_try_s = call_s
    try:
        yield
    finally:
        _clock.one_try_s = None


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One of the attempts at a call.

    Attributes:
        number: From 1.
        deadline_at_s: When the call must be over, on `monotonic_s`.
        limit: How long it may take in all, and what says so.
    """

    number: int
    deadline_at_s: float
    limit: str

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline_at_s - monotonic_s()


def run(
    policy: RetryPolicy,
    attempt: Callable[[Attempt], T],
    before_wait: Callable[[TransientVendorError, float, int], None],
    *,
    longest_s: float,
) -> T:
    """Calls until it works, within the policy.

    Args:
        attempt: Makes one attempt; only its `TransientVendorError` leads to another, and no `RepeatedCutError`.
        before_wait: Told the error, the wait in seconds and the attempt's number before each wait.
        longest_s: How long all attempts may take together where the policy doesn't say.

    Raises:
        RepeatedCutError: At once.
        TransientVendorError: The last one, when attempts or time are used up, or the vendor asks to wait longer than
            the policy allows; then at once, and `retry_after_s` says how long.
    """
    import tenacity  # noqa: PLC0415 - the clock above is asked by commands that send nothing

    if _clock.one_try_s:
        policy = replace(policy, attempts=1, deadline_s=min(_clock.one_try_s, policy.deadline_s or longest_s))
    deadline_s = policy.deadline_s or longest_s
    deadline_at_s = monotonic_s() + deadline_s
    limit = f"{deadline_s:g} s{'' if policy.deadline_s else f', as {settings.ANSWER_TIME_VARIABLE} says'}"
    backoff = tenacity.wait_exponential(
        multiplier=policy.first_wait_s, max=policy.longest_wait_s
    ) + tenacity.wait_random(0, policy.first_wait_s / 2)

    in_vain = 0

    def once() -> T:
        nonlocal in_vain
        try:
            return attempt(Attempt(next(numbers), deadline_at_s, limit))
        except TransientVendorError as error:
            in_vain = 1 if error.brought_more else in_vain + 1
            raise

    def wait_s(state: tenacity.RetryCallState) -> float:
        error = _error(state)
        if error.retry_after_s:
            return error.retry_after_s
        state = copy.copy(state)
        state.attempt_number = in_vain
        return max(backoff(state), policy.least_wait_s.get(error.status or 0, 0.0))

    def stop(state: tenacity.RetryCallState) -> bool:
        return _why_stop(policy, state, in_vain, deadline_at_s, limit) is not None

    def give_up(state: tenacity.RetryCallState) -> T:
        raise _error(state).followed_by(f"{_why_stop(policy, state, in_vain, deadline_at_s, limit)}.")

    def tell(state: tenacity.RetryCallState) -> None:
        before_wait(_error(state), state.upcoming_sleep, state.attempt_number)

    numbers = itertools.count(1)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, TransientVendorError) and not isinstance(error, RepeatedCutError)
        ),
        wait=wait_s,
        stop=stop,
        sleep=wait,
        before_sleep=tell,
        retry_error_callback=give_up,
    )
    return retrying(once)


def _why_stop(
    policy: RetryPolicy, state: tenacity.RetryCallState, in_vain: int, deadline_at_s: float, limit: str
) -> str | None:
    error, number = _error(state), state.attempt_number
    if error.retry_after_s is not None and error.retry_after_s > policy.retry_after_ceiling_s:
        return f"It asks to wait {error.retry_after_s:.0f} s, longer than this command waits: run it again after that"
    gave_up = f"Gave up after {number} attempt{'s' if number > 1 else ''}"
    if in_vain >= policy.attempts and isinstance(error, NotSentError):
        return f"{gave_up}: check the connection's URL and the network, or run it again later"
    if in_vain >= policy.attempts:
        return f"{gave_up}: run it again later"
    if monotonic_s() + state.upcoming_sleep > deadline_at_s:
        return (
            f"{gave_up}: another one, after {state.upcoming_sleep:.0f} s, would not fit into "
            f"{limit}: run it again later"
        )
    return None


def _error(state: tenacity.RetryCallState) -> TransientVendorError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, TransientVendorError):
        raise TypeError(f"only a transient error leads to another attempt, not {error!r}")
    return error


class Gate:
    """The counters of one connection. Each client brings its own limits to them."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._queue: deque[object] = deque()
        self._active = 0
        self._next_at_s = 0.0

    @contextmanager
    def slot(self, limits: Limits) -> Iterator[None]:
        """Holds one of the connection's places, first come, first served."""
        ticket = object()
        with self._turn:
            self._queue.append(ticket)
            try:
                self._turn.wait_for(lambda: self._queue[0] is ticket and self._active < limits.concurrency)
                self._active += 1
            finally:
                self._queue.remove(ticket)
                self._turn.notify_all()
        try:
            yield
        finally:
            with self._turn:
                self._active -= 1
                self._turn.notify_all()

    def pace(self, limits: Limits) -> None:
        """Waits for the next moment at which a request may start."""
        with self._turn:
            now_s = monotonic_s()
            start_s = max(now_s, self._next_at_s)
            self._next_at_s = start_s + 1 / limits.requests_per_s
        wait(start_s - now_s, for_rate=True)

    def pause(self, seconds: float) -> None:
        """Delays all requests of the connection, because the vendor asked one of them to wait."""
        with self._turn:
            self._next_at_s = max(self._next_at_s, monotonic_s() + seconds)


_gates: dict[str, Gate] = {}
_gates_lock = threading.Lock()


def gate(connection: str) -> Gate:
    """The counters of a connection, the same for every client of this process."""
    with _gates_lock:
        return _gates.setdefault(connection, Gate())
