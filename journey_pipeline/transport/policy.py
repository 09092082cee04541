"""What a connection allows its requests: how long one may take, how often it is tried again, how many go at a time.

Values alone, so that a setting can have them as its default. Not here: what waits and tries by them (`retry.py`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from journey_pipeline.errors import ConfigError


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
