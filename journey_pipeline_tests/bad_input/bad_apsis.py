"""An account of APSIS One that answers with any bytes, and the whole way of an export: order, polls, file, warehouse.

Not here: the vendor as it should be (`journey_pipeline/sandbox`).
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from journey_pipeline.errors import VendorError
from journey_pipeline.exports.database import open_ledger
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.exports.queue import Queue
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest
from journey_pipeline.loading.exports import Exports
from journey_pipeline.loading.load_ordered import LoadOrdered
from journey_pipeline.loading.partition import LoadSettings, PartitionOutcome
from journey_pipeline.model import partition_window
from journey_pipeline.transport.retry import Limits
from journey_pipeline.vendors.apsis.client import EMAIL_REPORTS, PROFILE_EXPORTS, SECTIONS, ApsisClient
from journey_pipeline.vendors.apsis.email_events.stream import EMAIL_COLUMNS, EmailEvents, email_events_stream
from journey_pipeline.vendors.apsis.orders import Account
from journey_pipeline.vendors.apsis.profile_events.stream import ProfileEvents, profile_events_stream
from journey_pipeline.warehouse.connection import warehouse_file
from journey_pipeline.warehouse.sync import sync
from journey_pipeline_tests.bad_input.bad_vendor import SMALL
from journey_pipeline_tests.lake.made_landing import as_csv
from journey_pipeline_tests.reading import opened
from journey_pipeline_tests.transport.flaky_server import FlakyServer, Piece, Reply, answer, json
from journey_pipeline_tests.vendors.made_apsis import event, export, profile

DAY = partition_window("2026-11-19")
NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
START = datetime(2026, 11, 1, tzinfo=UTC)
PROFILES, EMAILS = profile_events_stream("apsis", START), email_events_stream("apsis", START)
AT = 1_795_075_200_123  # within the day

SECRET = "hush-hush-4711"
TOKEN = "/oauth/token"
MAIN = "main"
POLL = f"{PROFILE_EXPORTS}/ex-1"
REPORT = f"{EMAIL_REPORTS}/rp-1"
FILE = "/files/rp-1.csv.gz"
LISTED = {
    "attributes": {"discriminator": "com.apsis1.attributes.email", "version_id": "88", "name": "Email"},
    "tags": {"discriminator": "usercreated.tags.vip-2", "version_id": "7731", "name": "VIP"},
    "events": {"discriminator": "com.apsis1.events.email-open", "version_id": "5512", "name": "Email opened"},
}
EMAIL = {
    "activity_id": "a-1",
    "address": "p1@x.org",
    "type": "SENT",
    "correlation_id": "c-1",
    "event_time": str(AT),
    "server_time": str(AT + 1000),
}
GOOD_PROFILES = export({"xk-1": profile([event()], a88="p1@x.org")})


def listed_section(kind: str) -> str:
    """The path of a list of the one section."""
    return f"{SECTIONS}/{MAIN}/{kind}"


def emails(*records: dict[str, str], header: Sequence[str] = EMAIL_COLUMNS) -> bytes:
    """A report's file, its records as `EMAIL` with other fields."""
    return as_csv([[{**EMAIL, **one}.get(name, "") for name in header] for one in records], header)


@dataclass
class BadApsis:
    """Answers all routes well until it is told otherwise, and loads a day of either stream.

    Attributes:
        server: Where it listens.
        lake: The home.
        at: What the clock says; naps move it.
        naps: How often the load has waited.
    """

    server: FlakyServer
    lake: Lake
    at: datetime = NOW
    naps: int = 0
    policy: ExportPolicy = field(default_factory=ExportPolicy)

    def __post_init__(self) -> None:
        self.ledger = open_ledger(f"sqlite:///{self.lake.home / 'exports.db'}")
        self._good: dict[str, Reply] = {}
        on = self.on
        on(TOKEN, json({"access_token": "token-of-4711", "expires_in": 86400}))
        on(SECTIONS, json({"items": [{"discriminator": MAIN, "id": "1234", "name": "Main"}]}))
        for kind, item in LISTED.items():
            on(listed_section(kind), json({"items": [item]}))
        on(PROFILE_EXPORTS, json({"export_id": "ex-1", "file_download_url": f"{self.server.url}{POLL}"}, 202))
        on(EMAIL_REPORTS, json({"report_id": "rp-1"}, 202))
        on(REPORT, json(self.completed()))
        self.gives_profiles(GOOD_PROFILES)
        self.gives_emails(emails({}))

    def environment(self) -> dict[str, str]:
        """The variables with which the connection finds it."""
        return {
            "APSIS_URL": self.server.url,
            "APSIS_CLIENT_ID": "client-of-4711",
            "APSIS_CLIENT_SECRET": SECRET,
            "APSIS_REQUESTS_PER_SECOND": "100000",
        }

    def completed(self, **others: Any) -> dict[str, Any]:
        """A report that is ready."""
        return {"status": "completed", "file_download_url": f"{self.server.url}{FILE}", **others}

    def on(self, path: str, *replies: Reply) -> None:
        """Answers a path with these, one after the other, and with the last one from then on."""
        self._good.setdefault(path, replies[-1])
        self.server.on(path, *replies)

    def gives_profiles(self, body: bytes) -> None:
        """Answers the poll with this file."""
        self.on(POLL, answer(200, gzip.compress(body, 1), Content_Encoding="gzip"))

    def gives_emails(self, body: bytes) -> None:
        """Answers the report's link with this file."""
        self.on(FILE, answer(200, gzip.compress(body, 1)))

    def load(self, stream: str, **given: Any) -> PartitionOutcome:
        """Orders, polls, lands and normalizes the day; what became of it."""
        of = PROFILES if stream == PROFILES.key.stream else EMAILS
        work = LoadOrdered(
            lake=self.lake,
            stream=of,
            windows=(DAY,),
            settings=LoadSettings(),
            open=self._exports,
            nap=self._nap,
            **given,
        )
        (outcome,) = work.outcomes()
        return outcome

    def arrives(self, stream: str) -> EventsManifest:
        """Loads a day that must arrive, as far as the warehouse, every record of it."""
        outcome = self.load(stream)
        if outcome.error:
            raise outcome.error
        assert outcome.events is not None
        assert outcome.events.unaccounted == 0
        assert sync(self.lake, SMALL).broken == ()
        return outcome.events

    def refuses(self, stream: str) -> str:
        """Loads a day that must not land; why it did not, in words that hold nothing secret."""
        error = self.load(stream).error
        assert isinstance(error, VendorError)
        assert SECRET not in str(error)
        assert not list((self.lake.home / "raw").rglob("part-*"))
        return str(error)

    def first(self, path: str, reply: list[Piece]) -> None:
        """Answers a path once with this, and then as before."""
        self.on(path, reply, self._good[path])

    def patient(self, span: timedelta = timedelta(days=10)) -> ExportPolicy:
        """A policy that waits for so long where somebody at a terminal waits for half a day."""
        return replace(self.policy, overdue_after=span, lost_after=timedelta(days=10))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        with opened(warehouse_file(self.lake)) as session:
            return session.execute(sql).fetchall()

    @property
    def _queue(self) -> Queue:
        return Queue("apsis", self.ledger, self.policy, lambda: self.at)

    def _exports(self) -> Exports:
        account = Account(ApsisClient("apsis", limits=Limits(requests_per_s=1e9, concurrency=8)))
        sources = {
            PROFILES.key.stream: ProfileEvents(account, PROFILES),
            EMAILS.key.stream: EmailEvents(account, EMAILS),
        }
        return Exports(self._queue, sources)

    def _nap(self, _: float) -> None:
        self.naps += 1
        due_at = self._queue.next_due_at()
        self.at = max(due_at or self.at, self.at + timedelta(seconds=1))
