"""The fault rules in force: which call is hit, and how often each rule has hit.

A rule counts the calls it fits from the moment it was added, so that `@3` is the third from now. Not here: what a rule
looks like (`fault_rules.py`).
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from journey_pipeline.model import Window
from journey_pipeline.sandbox.fault_rules import Fault, parse_fault


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
