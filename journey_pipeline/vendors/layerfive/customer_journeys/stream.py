"""The stream `customer_journeys`: what known people did, as deltas without an end that overlap, a day at a time.

An answer may come in pages: each next link is followed once, on the same host. Not here: the route
(`vendors/layerfive/client.py`), how records are read (`reader.py`), where files go (`loading/`, `lake/`).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from isal import igzip

from journey_pipeline.errors import ContractError, PermanentVendorError
from journey_pipeline.files import LandingFile
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.model import Granularity, StreamKey, Window
from journey_pipeline.recipe import Recipe
from journey_pipeline.transport.response import Downloaded, Place
from journey_pipeline.vendors.layerfive.client import STREAM, LayerFiveClient
from journey_pipeline.vendors.layerfive.customer_journeys.answers import ARRAYS, JourneyInspector
from journey_pipeline.vendors.layerfive.customer_journeys.columns import COLUMNS, CONSTANTS
from journey_pipeline.vendors.layerfive.customer_journeys.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.customer_journeys.reader import JourneyReader
from journey_pipeline.vendors.layerfive.doctor import check
from journey_pipeline.vendors.source import Estimate, Freshness, Part, Plan, Reach, Source, Stream

_FOLDER = Path(__file__).parent


def customer_journeys_recipe(settings: MappingSettings) -> Recipe:
    """The recipe of a connection.

    It names no column that must be in every file: an answer with no record has none, and one whose records lack a time
    or a person is refused by the reader, which can say what there is instead.
    """
    sql = (_FOLDER / "events.sql").read_text(encoding="utf-8")
    return Recipe(
        stream=STREAM,
        sql=sql.replace("{timezone}", settings.timezone),
        columns=(*COLUMNS, *CONSTANTS),
        key_columns=(),
        codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("channels", "actions")},
        format="json",
        reader=JourneyReader(settings),
        records_at=settings.places,
        filled={"contact_id": "contact_id", "vendor_action": "vendor_action"},
    )


REACH = timedelta(days=90)  # documented, of people who became known; how long an old day is answered for is assumed
RESERVE = timedelta(hours=1)
ANSWER_LAG = timedelta(hours=2)  # assumed: the vendor says nothing of how late its events come in
OVERLAP_DAYS = 1  # the account's day is unpublished, and may begin up to 14 hours before UTC's
_UNKNOWN_PERSON = 404


def customer_journeys_stream(
    connection: str, start: datetime, settings: MappingSettings | None = None, *, overlap_days: int = OVERLAP_DAYS
) -> Stream:
    """The stream of a connection, known without asking the vendor.

    Args:
        overlap_days: How many days earlier than a window is asked for. The vendor must still keep the first of them;
            for days that it no longer keeps it answers what is left (assumed).
    """
    overlap = timedelta(days=overlap_days)
    return Stream(
        key=StreamKey("layerfive", connection, STREAM),
        granularity=Granularity.DAY,
        recipe=customer_journeys_recipe(settings or MappingSettings()),
        retention=REACH - min(overlap, timedelta(days=OVERLAP_DAYS)) - RESERVE,
        start=start,
        requests_per_answer=1,
        reach=Reach(onward=timedelta.max, back=REACH + overlap, ages_after=REACH),
        claims=("earlier_answer_is_repeated", "columns_are_read_alike"),
        lookalikes=("lookalikes", "of_several_people"),
        lacks={
            "estimate": "its answers overlap, so each answer is compared with the previous one when it lands. There is "
            "no estimate to ask for",
            "all people": "The account is narrow: it answers only for people who became known since the day asked for; "
            "or the answer was cut. Pull this one again. If people are missing again, set `overlap_days: 89` in "
            "defs.yaml, so that each answer has them all",
        },
        upkeep=("reach",),
        first_look=timedelta(days=3),
    )


class CustomerJourneys(Source):
    """Customer journeys of one connection, as `vendors.source` asks for windows and for people.

    Args:
        answer_lag: How long after its end a day may be loaded.
    """

    person_reach = REACH

    def __init__(
        self,
        client: LayerFiveClient,
        stream: Stream,
        *,
        overlap_days: int = OVERLAP_DAYS,
        answer_lag: timedelta = ANSWER_LAG,
    ) -> None:
        self.stream = stream
        self._client = client
        self._pages = Pages(client)
        self._overlap = timedelta(days=overlap_days)
        self._answer_lag = answer_lag

    @property
    def settings(self) -> MappingSettings:
        """The connection's settings about its records, from the stream's recipe."""
        reader = self.stream.recipe.reader
        return reader.settings if isinstance(reader, JourneyReader) else MappingSettings()

    def request(self, window: Window) -> dict[str, Any]:
        """The day asked for: the account's day in which the window starts, and `overlap_days` before."""
        return {"event_date": self._day(window).isoformat()}

    def freshness(self, now: datetime) -> Freshness:
        """Up to a fixed while ago: there is no route that says it."""
        return Freshness(now - self._answer_lag, f"a day is loaded {self._answer_lag} after its end")

    def download(
        self,
        plan: Plan,
        to: Place,
        *,
        estimate: Estimate | None,  # noqa: ARG002 - there is none
        after: Part | None = None,
    ) -> Part:
        """Downloads a page of everything since the window's day; where there are no pages, that is the answer.

        Raises:
            TransientVendorError: If every try was cut off, or the vendor is in trouble.
            PermanentVendorError: On a refusal.
            ContractError: If the answer is no JSON with records, or its pages lead away or around.
        """
        inspector, window = partial(JourneyInspector, self.settings), plan.window
        if after is None or after.next_page is None:
            self._pages.begin(window)
            got = self._client.since(self._day(window), to, window=window, inspector=inspector)
        else:
            got = self._client.page(after.next_page, to, window=window, inspector=inspector)
        return part_of(got, window, next_page=self._pages.next_of(window, got.inspector))

    def person(self, email: str, to: Path) -> Part:
        """Downloads the last 90 days of one person to a file; for an unknown person, a file without records.

        An answer in pages is put together, for the sake of the one file.

        Raises:
            VendorError: As for `download`.
        """
        window = Window(self.stream.start, self.stream.start + self.person_reach)
        self._pages.begin(window)
        inspector = partial(JourneyInspector, self.settings)
        try:
            got = self._client.person(email, Place(to), inspector=inspector)
        except PermanentVendorError as error:
            if error.status != _UNKNOWN_PERSON:
                raise
            return joined([], to, window, self.settings)
        first = part_of(got, window, next_page=self._pages.next_of(window, got.inspector))
        if first.next_page is None:
            return first
        with tempfile.TemporaryDirectory(dir=to.parent, prefix="pages-") as folder:
            pages = [first]
            while link := pages[-1].next_page:
                got = self._client.page(link, Place(Path(folder) / f"{len(pages)}.json.gz"), inspector=inspector)
                pages.append(part_of(got, window, next_page=self._pages.next_of(window, got.inspector)))
            return joined(pages, to, window, self.settings)

    def check(self) -> dict[str, str]:
        """One harmless call, broken off once its first records are there: what they are read from, by column.

        Raises:
            VendorError: If the key is refused, or the answer can't be mapped.
        """
        return check(self._client, self.settings)

    def close(self) -> None:
        """Closes the account's connections."""
        self._client.close()

    def _day(self, window: Window) -> date:
        return (window.start.astimezone(ZoneInfo(self.settings.timezone)) - self._overlap).date()


_MOST_PAGES = 10_000
_CHUNK_BYTES = 1 << 20


class Pages:
    """Where the answers of one connection go on."""

    def __init__(self, client: LayerFiveClient) -> None:
        self._client = client
        self._met: dict[Window, set[str]] = {}

    def begin(self, window: Window) -> None:
        """Forgets the pages of an earlier answer for the window."""
        self._met[window] = set()

    def next_of(self, window: Window, seen: JourneyInspector) -> str | None:
        """The address at which the window's answer goes on, None if it ends here.

        Raises:
            ContractError: If it leads to another host, to a page that was there already, or has no end.
        """
        if seen.next_link is None:
            self._met.pop(window, None)
            return None
        address = self._client.resolved(seen.next_link)
        met = self._met.setdefault(window, set())
        if address in met or len(met) >= _MOST_PAGES:
            how = "lead back to one that was there before" if address in met else f"are more than {_MOST_PAGES}"
            raise ContractError(
                f"the answer's pages {how}, so that it would never end. Report it to the vendor.",
                vendor="layerfive",
                stream=STREAM,
                window=str(window),
            )
        met.add(address)
        return address


def part_of(got: Downloaded, window: Window, *, next_page: str | None = None) -> Part:
    """The downloaded file as a part of a landing."""
    seen: JourneyInspector = got.inspector
    more = {"promised_rows": seen.promised_rows, "counted_at": seen.settings.places}
    return Part.of(got, window, next_page=next_page, dated=got.dated, **more)


def joined(pages: Sequence[Part], to: Path, window: Window, settings: MappingSettings) -> Part:
    """Puts the records of pages into one file, as an array where the connection has it; of no pages, one of none."""
    from journey_pipeline.transport.body import Deflater  # noqa: PLC0415 - it brings requests along

    deflater, raw_bytes = Deflater(), 0
    with LandingFile(to) as file:
        for piece in _array(pages, settings.records_path):
            file.write(deflater.feed(piece))
            raw_bytes += len(piece)
        file.write(deflater.finish())
    return Part(
        path=to,
        window=window,
        sha256=file.sha256,
        bytes=file.bytes,
        raw_bytes=raw_bytes,
        rows=sum(page.rows for page in pages),
        columns=tuple(dict.fromkeys(name for page in pages for name in page.columns)),
        received_as="identity",
        counted_at=settings.places,
    )


def _array(pages: Sequence[Part], path: Sequence[str]) -> Iterator[bytes]:
    yield b"".join(b"{%s:" % json.dumps(name).encode() for name in path) + b"["
    separator = b""
    for page in pages:
        with igzip.IGzipFile(page.path, "rb") as content:  # type: ignore[no-untyped-call]
            chunks = iter(partial(content.read, _CHUNK_BYTES), b"")
            for records in RecordSplitter(ARRAYS, path=path).split(chunks):
                yield separator + b",".join(records)
                separator = b","
    yield b"]" + b"}" * len(path)
