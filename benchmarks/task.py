"""What a contender is told, by environment variables, and what it says, as one line of JSON.

Imports next to nothing, so that no contender pays for another one's libraries. Not here: the work itself
(`contenders/`), starting it (`processes.py`).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from journey_pipeline.model import Granularity, Window, iso

HOME = "JOURNEY_PIPELINE_HOME"
START = "BENCHMARK_START"
END = "BENCHMARK_END"
MEBIBYTE = 1 << 20

COLUMNS = (  # noqa: SIM905 - it reads best as the vendor has it
    "Id,TransactionTime,CreatedDate,StartDate,EndDate,ContactKey,Status,ClientStatus,DefinitionId,DefinitionName,"
    "DefinitionInstanceId,ActivityId,ActivityName,ActivityType,OutcomeActivityId,EventId,EventName,EntrySource,"
    "SourceType,Message,Result.Status,Result.Outcome,Result.Tags,Result.Messages"
).split(",")
"""The columns that the pipeline asks for by default, so that everyone downloads the same bytes."""

TIMES = ("TransactionTime", "CreatedDate", "StartDate", "EndDate")
KEY = "Id"
COMPARED = ("Id", "TransactionTime", "ContactKey", "DefinitionName", "ActivityName")
"""The columns whose values are compared between contenders."""


@dataclass(frozen=True, slots=True)
class Task:
    """Load these hours from this vendor into this folder.

    Attributes:
        home: An empty folder for whatever the contender writes.
        span: The hours.
        vendor: Where the simulated Salesforce is served.
    """

    home: Path
    span: Window
    vendor: str

    @classmethod
    def given(cls) -> Task:
        """The task of this process."""
        start, end = (datetime.fromisoformat(os.environ[name]) for name in (START, END))
        return cls(Path(os.environ[HOME]), Window(start, end), os.environ["SFMC_REST_URL"])

    @property
    def windows(self) -> list[Window]:
        """One download each."""
        return self.span.partitions(Granularity.HOUR)

    @property
    def download_url(self) -> str:
        """Where an hour is downloaded from."""
        route = "/interaction/v1/interactions/journeyhistory/download"
        return f"{self.vendor}{route}?format=csv&columns={','.join(COLUMNS)}"

    @property
    def token_url(self) -> str:
        """Where a token is had."""
        return f"{self.vendor}/v2/token"

    @property
    def credentials(self) -> dict[str, str]:
        """What a token is asked with."""
        return {
            "grant_type": "client_credentials",
            "client_id": os.environ["SFMC_CLIENT_ID"],
            "client_secret": os.environ["SFMC_CLIENT_SECRET"],
        }


def headers(token: str) -> dict[str, str]:
    """Headers of a download."""
    return {"Authorization": f"Bearer {token}", "x-direct-pipe": "true", "Accept-Encoding": "gzip"}


def body(window: Window) -> dict[str, str]:
    """Body of a download."""
    return {"start": iso(window.start), "end": iso(window.end)}


def peak_mib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE


class Stopwatch:
    """Seconds since it was made: the work without starting Python and loading libraries."""

    def __init__(self) -> None:
        self._started_s = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds since."""
        return time.perf_counter() - self._started_s


def say(rows: int, work_s: float, **figures: object) -> None:
    """Says what came of the work.

    Args:
        rows: In the table that was to be filled; the same for every contender, or the comparison is void.
        work_s: Seconds of the work alone.
        **figures: What else there is to say.
    """
    said: Mapping[str, object] = {"rows": rows, "work_s": work_s, **figures}
    sys.stdout.write(json.dumps(said) + "\n")
