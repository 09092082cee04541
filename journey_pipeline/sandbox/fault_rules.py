"""The rules that say which calls a fault hits: their text form, and those in force, which count calls.

A rule counts the calls it fits from the moment it was added, so that `@3` is the third from now. Not here: which faults
there are and what they do (`faults.py`).
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Granularity, Window, partition_window
from journey_pipeline.sandbox.faults import FAULTS

_HOUR, _DAY = Granularity.HOUR.duration, Granularity.DAY.duration
_RULE = re.compile(
    r"(?P<route>[a-z_/*]+):(?P<kind>[a-z0-9_]+)(=(?P<value>[a-z0-9.]+))?"
    r"(@(?P<first>\d+)(?P<to>-(?P<last>\d+)?)?|~(?P<rate>[0-9.]+))?(#(?P<window>[0-9T-]+))?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule.

    Attributes:
        route: Name of a route, such as `download`; `sfmc/download` for one vendor alone; `*` for all.
        kind: One of `FAULTS`.
        value: What the kind wants to know, empty for its default.
        first: The first call it hits, counted from 1 among those that fit.
        last: The last one; None for all that follow.
        rate: Share of the calls that it hits, instead of counting them; None to count.
        window: Only calls that ask for something in this span; None for all.
        seed: Of the rate's dice.

    Raises:
        ConfigError: If the kind, a count, a rate or a value is none.
    """

    route: str
    kind: str
    value: str = ""
    first: int = 1
    last: int | None = None
    rate: float | None = None
    window: Window | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise _wrong(str(self.kind), "there is no such kind of fault")
        if self.value and not self._value_fits():
            raise _wrong(f"{self.kind}={self.value}", "the value does not fit the kind")
        if self.first < 1 or (self.last is not None and self.last < self.first):
            raise _wrong(f"@{self.first}-{self.last}", "calls are counted from 1, the last is not before the first")
        if self.rate is not None and not 0 <= self.rate <= 1:
            raise _wrong(f"~{self.rate}", "a rate is a share from 0 to 1")
        if self.window is not None and self.window.duration not in {_HOUR, _DAY}:
            raise _wrong(f"#{self.window}", "a window is one whole hour or day")

    def _value_fits(self) -> bool:
        takes = FAULTS[self.kind].takes
        return takes is not None and re.fullmatch(takes, self.value) is not None

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        to = "" if self.last == self.first else f"-{self.last or ''}"
        calls = f"@{self.first}{to}" if (self.first, self.last) != (1, None) else ""
        rate = f"~{self.rate:g}" if self.rate is not None else ""
        window = f"#{self.window.partition}" if self.window else ""
        return f"{self.route}:{self.kind}{value}{rate or calls}{window}"


def parse_fault(text: str, *, seed: int = 0) -> Fault:
    """A rule from its text form: `ROUTE:KIND[=VALUE][@CALLS or ~RATE][#WINDOW]`.

    - ROUTE is a name such as `token`, `estimate`, `download`, `customer_journeys`; `sfmc/download`; `*` for all.
    - KIND is one of `FAULTS`; VALUE is for the kinds that take one: `slow_first_byte=2`, `cut_record=reset`.
    - `@3` is the third call from now alone, `@1-2` the first two, `@3-` all from the third; nothing means every call.
    - `~0.1` is one call in ten, by the dice of a seed.
    - `#2026-11-20T09` or `#2026-11-20` is for calls that ask for something in this hour or day alone.

    So `download:503@3`, `download:cut_gzip~0.1`, `estimate:429@1-2#2026-11-20T09`.

    Raises:
        ConfigError: If it is not of this form; says which forms there are.
    """
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise _wrong(text, "it has not the form of a rule")
    first, rate = found["first"], found["rate"]
    last = found["last"] if found["to"] else first
    try:
        share = None if rate is None else float(rate)
        window = partition_window(found["window"]) if found["window"] else None
    except (ValueError, ConfigError):
        raise _wrong(text, "a rate is a share from 0 to 1, a window an hour or a day") from None
    return Fault(
        route=found["route"],
        kind=found["kind"],
        value=found["value"] or "",
        first=int(first or 1),
        last=int(last) if last else None,
        rate=share,
        window=window,
        seed=seed,
    )


class Faults:
    """The rules in force, and how often each has hit; thread-safe.

    Args:
        seed: Of the dice of rules with a rate.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._rules: list[tuple[Fault, _Count]] = []

    def add(self, rule: Fault | str) -> Fault:
        """Puts a rule in force; text is as `parse_fault` reads it."""
        fault = parse_fault(rule, seed=self._seed) if isinstance(rule, str) else rule
        with self._lock:
            self._rules.append((fault, _Count()))
        return fault

    def clear(self) -> None:
        """Takes all rules out of force."""
        with self._lock:
            self._rules.clear()

    def rules(self) -> list[Fault]:
        """The rules in force, in the order they were added."""
        with self._lock:
            return [fault for fault, _ in self._rules]

    def hits(self, rule: Fault) -> int:
        """How many calls a rule has hit."""
        with self._lock:
            return sum(count.hits for fault, count in self._rules if fault == rule)

    def pick(self, vendor: str, route: str, window: Window | None) -> Fault | None:
        """The first rule that hits a call, which counts it for every rule that it fits."""
        picked: Fault | None = None
        with self._lock:
            for fault, count in self._rules:
                if not _fits(fault, vendor, route, window):
                    continue
                count.seen += 1
                if picked is None and _strikes(fault, count.seen):
                    count.hits += 1
                    picked = fault
        return picked


@dataclass(slots=True)
class _Count:
    seen: int = 0
    hits: int = 0


def _fits(fault: Fault, vendor: str, route: str, window: Window | None) -> bool:
    if fault.route not in {"*", route, f"{vendor}/{route}", f"{vendor}/*"}:
        return False
    if fault.window is None:
        return True
    return window is not None and window.start < fault.window.end and fault.window.start < window.end


def _strikes(fault: Fault, call: int) -> bool:
    if fault.rate is not None:
        return random.Random(f"{fault.seed}/{fault}/{call}").random() < fault.rate
    return fault.first <= call and (fault.last is None or call <= fault.last)


def _wrong(text: str, why: str) -> ConfigError:
    kinds = ", ".join(f"{kind} (=VALUE: {of.value})" if of.value else kind for kind, of in FAULTS.items())
    return ConfigError(
        f"{text!r} in a fault rule: {why}. A rule is ROUTE:KIND[=VALUE][@CALL, @FIRST-LAST, @FIRST- or ~RATE]"
        "[#HOUR or #DAY], "
        f"such as download:503@3, download:cut_gzip~0.1 or estimate:429@1-2#2026-11-20T09. Kinds: {kinds}."
    )
