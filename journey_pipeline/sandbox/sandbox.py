"""The simulated vendors and what steers them, in one object; nothing here listens on a port.

Not here: serving it (`server.py`), which vendors there are (`registry.py`), what happened (`world/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from journey_pipeline.sandbox.calls import CallLog
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.fault_rules import Faults
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.registry import Simulator, Surroundings, simulated_vendors
from journey_pipeline.sandbox.world import World

SimulatorT = TypeVar("SimulatorT", bound=Simulator)


class Sandbox:
    """The simulated vendors and what steers them. Served by `serve` or `run`.

    Each simulator is an attribute of its vendor's name, such as `sandbox.sfmc`; typed code asks `simulator` for it.

    Args:
        world: What happened; the default world if None.
        clock: The present; real time if None.
        options: How the vendors behave; their contracts if None.
        faults: Rules in text form, in force from the start.
        folder: For prepared answers; must exist.

    Attributes:
        world: What happened.
        clock: The present; can be moved.
        options: How the vendors behave; can be changed.
        faults: What goes wrong; rules can be added.
        calls: What was asked.
        simulators: The simulated vendors by their names.
        url: Where it is served, without a slash at the end; empty until it is.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        clock: SandboxClock | None = None,
        options: SandboxOptions | None = None,
        faults: Sequence[str] = (),
        folder: Path,
    ) -> None:
        self.world = world or World()
        self.clock = clock or SandboxClock()
        self.options = options or SandboxOptions()
        self.faults = Faults(self.world.seed)
        self.calls = CallLog()
        self.url = ""
        for rule in faults:
            self.faults.add(rule)
        self.simulators: dict[str, Simulator] = {
            name: vendor.simulator(
                Surroundings(name, self.world, self.clock, self.faults, self.calls, folder), self.options.of(name)
            )
            for name, vendor in simulated_vendors().items()
        }

    def simulator(self, kind: type[SimulatorT]) -> SimulatorT:
        """The simulator of a class."""
        return next(each for each in self.simulators.values() if isinstance(each, kind))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in self.__dict__.get("simulators", ()):
                return self.simulators[name]
            raise AttributeError(f"the sandbox has no {name}, and simulates no vendor of that name")

    def environment(self) -> dict[str, str]:
        """The variables with which a deployment finds the simulated vendors."""
        return {
            variable: value
            for name, simulator in self.simulators.items()
            for variable, value in simulator.environment(f"{self.url}/{name}").items()
        }

    def close(self) -> None:
        """Ends what is being worked on; calls that wait for it are refused."""
        for simulator in self.simulators.values():
            simulator.close()
