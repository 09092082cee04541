"""The simulated vendors and what steers them, in one object; nothing here listens on a port.

Not here: serving it (`server.py`), each vendor (`sfmc/`, `layerfive/`, `apsis/`), the world (`world/`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from journey_pipeline.sandbox.apsis.simulator import ApsisSimulator
from journey_pipeline.sandbox.calls import CallLog
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.faults import Faults
from journey_pipeline.sandbox.layerfive.simulator import LayerFiveSimulator
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.sfmc.simulator import SfmcSimulator
from journey_pipeline.sandbox.world import World


class Sandbox:
    """The simulated vendors and what steers them. Served by `serve` or `run`.

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
        sfmc: The simulated Salesforce.
        layerfive: The simulated LayerFive.
        apsis: The simulated APSIS One.
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
        self.sfmc = SfmcSimulator(
            self.world,
            clock=self.clock,
            options=self.options.sfmc,
            faults=self.faults,
            calls=self.calls,
            folder=folder,
        )
        self.layerfive = LayerFiveSimulator(
            self.world,
            clock=self.clock,
            options=self.options.layerfive,
            faults=self.faults,
            calls=self.calls,
            folder=folder,
        )
        self.apsis = ApsisSimulator(
            self.world, clock=self.clock, options=self.options.apsis, faults=self.faults, calls=self.calls
        )

    def environment(self) -> dict[str, str]:
        """The variables with which a deployment finds the simulated vendors."""
        sfmc = self.options.sfmc
        return {
            "SFMC_AUTH_URL": f"{self.url}/sfmc",
            "SFMC_REST_URL": f"{self.url}/sfmc",
            "SFMC_CLIENT_ID": sfmc.client_id,
            "SFMC_CLIENT_SECRET": sfmc.client_secret,
            "SFMC_ACCOUNT_ID": sfmc.account_id,
            "LAYERFIVE_URL": f"{self.url}/layerfive",
            "LAYERFIVE_API_KEY": self.options.layerfive.api_key,
            "APSIS_URL": f"{self.url}/apsis",
            "APSIS_CLIENT_ID": self.options.apsis.client_id,
            "APSIS_CLIENT_SECRET": self.options.apsis.client_secret,
        }

    def close(self) -> None:
        """Ends what is being worked on; calls that wait for it are refused."""
        self.sfmc.close()
        self.layerfive.close()
        self.apsis.close()
