"""Which vendors are simulated: each folder beside this file but `world/`. What a folder offers is its `VENDOR`.

A new vendor is a new folder; no shared file names it. Not here: putting the simulators together (`sandbox.py`), serving
them (`server.py`).
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel
from starlette.routing import BaseRoute

from journey_pipeline.model import Window
from journey_pipeline.sandbox.calls import CallLog
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.fault_rules import Faults
from journey_pipeline.sandbox.faults import Words
from journey_pipeline.sandbox.gate import Gate
from journey_pipeline.sandbox.world import World

NO_VENDORS = frozenset({"world"})
OptionsT = TypeVar("OptionsT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the sandbox gives to a simulator.

    Attributes:
        vendor: The vendor's short name, which is that of its folder.
        world: What happened.
        clock: The present.
        faults: Fault rules in force.
        calls: Where calls are recorded.
        folder: For prepared answers; exists.
    """

    vendor: str
    world: World
    clock: SandboxClock
    faults: Faults
    calls: CallLog
    folder: Path

    def gate(self, words: Words, window_of: Callable[[bytes], Window | None]) -> Gate:
        """The way in to the vendor; see `Gate` for the arguments."""
        return Gate(self.vendor, self.clock, self.faults, self.calls, words, window_of)


class Simulator(Protocol):
    """One simulated vendor at work."""

    def routes(self) -> list[BaseRoute]:
        """All routes, without the vendor's prefix."""
        ...

    def environment(self, url: str) -> dict[str, str]:
        """The variables with which a connection of the vendor's name finds it and gets in.

        Args:
            url: Where its routes are served, without a slash at the end.
        """
        ...

    def close(self) -> None:
        """Ends what is being worked on; calls that wait for it are refused."""
        ...


@runtime_checkable
class FileHost(Protocol):
    """A simulated vendor whose files lie on a host of their own."""

    def root_routes(self) -> list[BaseRoute]:
        """Routes of that host, which has no prefix."""
        ...


@runtime_checkable
class Panel(Protocol):
    """A simulated vendor whose lists people export by hand."""

    def lists(self) -> Mapping[str, bytes]:
        """Lists as people drop them in a folder, by the names of their files."""
        ...


@dataclass(frozen=True, slots=True)
class Showcase:
    """A query that shows what the vendor's history is good for; `journey-pipeline demo` prints its answer.

    Attributes:
        title: What is asked.
        sql: The query, on the published warehouse.
    """

    title: str
    sql: str


@dataclass(frozen=True, slots=True)
class Vendor(Generic[OptionsT]):
    """What a vendor's folder offers.

    Attributes:
        options: Class of its options. A field with `repr=False` is a secret, which is not shown.
        simulator: Makes its simulator.
        showcase: What the demo shows of it.
    """

    options: type[OptionsT]
    simulator: Callable[[Surroundings, OptionsT], Simulator]
    showcase: tuple[Showcase, ...] = ()


@cache
def simulated_vendors() -> Mapping[str, Vendor[Any]]:
    """All simulated vendors, by their short names."""
    package = import_module("journey_pipeline.sandbox")
    folders = [found.name for found in pkgutil.iter_modules(package.__path__) if found.ispkg]
    return {name: import_module(f"{package.__name__}.{name}").VENDOR for name in folders if name not in NO_VENDORS}
