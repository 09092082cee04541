"""A vendor that answers with any bytes, and a pipeline that takes an hour of them to its events and the warehouse.

Not here: the vendor as it should be (`journey_pipeline/sandbox`), which never sends most of this.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journey_pipeline.errors import VendorError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.loading.load import LoadAtOnce
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import Window, partition_window
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.sfmc.client import HISTORY, JOURNEYS, SfmcClient
from journey_pipeline.vendors.sfmc.journey_history.stream import DEFAULT_COLUMNS, JourneyHistory, journey_history_stream
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.connection import WarehouseSettings, warehouse_file
from journey_pipeline.warehouse.sync import SyncReport, sync
from journey_pipeline_tests.reading import SESSION, opened
from journey_pipeline_tests.transport.flaky_server import FlakyServer, Reply, answer, json

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
HOUR = partition_window("2026-11-20T05")
NEXT_HOUR = partition_window("2026-11-20T06")
STREAM = journey_history_stream("sfmc", datetime(2026, 1, 1, tzinfo=UTC))
SMALL = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=5)

TOKEN = "/v2/token"
ESTIMATE = f"{HISTORY}/estimate"
DOWNLOAD = f"{HISTORY}/download"

# What no message may hold: who we are to the vendor, and whom the rows are about.
SECRET = "hush-hush-4711"
PERSON = "Ann-Bell-of-Elm-Street"
PRIVATE = (SECRET, PERSON, "ann.bell@example.org")


def row(number: int, **fields: str) -> list[str]:
    """A record of the hour in the order of the request; keyword arguments set single columns."""
    given = {
        "Id": f"id-{number}",
        "TransactionTime": f"2026-11-20T05:{number % 60:02d}:00.000Z",
        "ContactKey": f"{PERSON}-{number}",
        "CreatedDate": f"2026-11-20T05:{number % 60:02d}:30.000Z",
        "Status": "Complete",
        "DefinitionId": "d-1",
        "DefinitionName": "Welcome",
        "ActivityId": "a-1",
        "ActivityType": "EMAILV2",
        "Message": "to ann.bell@example.org",
        **fields,
    }
    return [given.get(name, "") for name in DEFAULT_COLUMNS]


def table(rows: Sequence[Sequence[str]], header: Sequence[str] = DEFAULT_COLUMNS, line_end: str = "\n") -> bytes:
    """A proper CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows([header, *rows])
    return text.getvalue().encode()


@dataclass
class BadVendor:
    """Answers an hour's estimate and download with what it was told to.

    Attributes:
        server: Where it listens.
    """

    server: FlakyServer

    def __post_init__(self) -> None:
        self.server.on(TOKEN, json({"access_token": "token-of-4711", "expires_in": 1079}))

    def environment(self, connection: str = "sfmc") -> dict[str, str]:
        """The variables with which a connection finds it."""
        prefix = connection.upper()
        return {
            f"{prefix}_AUTH_URL": self.server.url,
            f"{prefix}_REST_URL": self.server.url,
            f"{prefix}_CLIENT_ID": "client-of-4711",
            f"{prefix}_CLIENT_SECRET": SECRET,
            f"{prefix}_REQUESTS_PER_SECOND": "1000",
        }

    def gives(self, body: bytes, *, rows: int, as_gzip: bool = True) -> None:
        """Answers every window with these bytes, and estimates so many rows for it."""
        self.estimates(json({"rowCount": rows}))
        encoded = gzip.compress(body, 1, mtime=0) if as_gzip else body
        self.downloads(answer(200, encoded, Content_Encoding="gzip" if as_gzip else "identity"))

    def estimates(self, *replies: Reply) -> None:
        """What the estimate's route answers."""
        self.server.on(ESTIMATE, *replies)

    def downloads(self, *replies: Reply) -> None:
        """What the download's route answers."""
        self.server.on(DOWNLOAD, *replies)


@dataclass
class Line:
    """The pipeline from a vendor to events and a warehouse in one home.

    Attributes:
        lake: Its home.
        settings: How partitions are loaded.
        stream: What is loaded.
    """

    lake: Lake
    settings: LoadSettings = field(default_factory=LoadSettings)
    stream: Stream = STREAM

    def load(self, *windows: Window, again: bool = True) -> list[PartitionOutcome]:
        """Pulls and normalizes hours; what became of them, by time."""
        work = LoadAtOnce(
            lake=self.lake,
            stream=self.stream,
            windows=windows or (HOUR,),
            settings=self.settings,
            open=open_source,
            kept_since=None if again else datetime.min.replace(tzinfo=UTC),
            now=lambda: NOW,
        )
        return sorted(work.outcomes(), key=lambda outcome: outcome.window)

    def arrived(self) -> EventsManifest:
        """Loads an hour that must arrive, every record of it."""
        (outcome,) = self.load()
        if outcome.error:
            raise outcome.error
        assert outcome.events is not None
        assert outcome.events.unaccounted == 0
        return outcome.events

    def refused(self) -> VendorError:
        """Loads an hour that must not land; why it did not."""
        (outcome,) = self.load()
        assert isinstance(outcome.error, VendorError), outcome.error
        assert list((self.lake.home / "raw").rglob("part-*")) == []
        assert list((self.lake.home / "raw").rglob("manifest.json")) == []
        return outcome.error

    def sync(self) -> SyncReport:
        """Brings the warehouse level."""
        return sync(self.lake, SMALL)

    def events(self, columns: str) -> list[tuple[Any, ...]]:
        """Of the events of all files of the lake, each one as often as it is there."""
        files = f"{self.lake.events_root}/**/*.parquet"
        return SESSION.execute(f"select {columns} from read_parquet(?) order by all", [files]).fetchall()

    def ids(self) -> list[str]:
        """The vendor's ids of the events of all files."""
        return [value for (value,) in self.events("properties ->> '$.id'")]

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with opened(warehouse_file(self.lake)) as session:
            return session.execute(sql).fetchall()

    def ids_in_warehouse(self) -> list[str]:
        """The vendor's ids of the events in the warehouse, each one as often as it is there."""
        return [value for (value,) in self.ask("select properties ->> '$.id' from core.journey_events order by all")]

    def evidence(self) -> list[Path]:
        """The answers that were kept as evidence."""
        return sorted(path for path in (self.lake.home / "evidence").rglob("*") if path.is_file())


def open_source() -> JourneyHistory:
    """The stream of the connection, with what the environment says."""
    return JourneyHistory(SfmcClient("sfmc", limits=Limits(requests_per_s=1000, concurrency=2)), STREAM)


def assert_says(error: BaseException, *parts: str) -> None:
    """The message has these parts, and nothing secret or personal."""
    message = str(error)
    for part in parts:
        assert part in message
    for private in PRIVATE:
        assert private not in message


@contextmanager
def bad_vendor() -> Iterator[BadVendor]:
    """A vendor that lists no journeys, and whose other answers a test gives."""
    server = FlakyServer()
    try:
        server.on(JOURNEYS, json({"items": [], "count": 0}))
        yield BadVendor(server)
    finally:
        server.close()
