"""Answers in pages: each next link is followed once, on the same host, and what came is a part of the landing.

Not here: asking (`client.py`), which pages are asked for when (`loading/`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from isal import igzip

from journey_pipeline.errors import ContractError
from journey_pipeline.files import LandingFile
from journey_pipeline.formats.json_records import RecordSplitter
from journey_pipeline.model import Window
from journey_pipeline.transport.client import Downloaded
from journey_pipeline.transport.gzip_body import Deflater
from journey_pipeline.vendors.layerfive.answers import JourneyInspector
from journey_pipeline.vendors.layerfive.client import STREAM, LayerFiveClient
from journey_pipeline.vendors.layerfive.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.parsing import ARRAYS
from journey_pipeline.vendors.source import Part

_MOST_PAGES = 10_000
_CHUNK_BYTES = 1 << 20


class Pages:
    """Where the answers of one connection go on.

    Args:
        client: The account, which knows its host.
    """

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
    """What was downloaded as a part of a landing."""
    seen: JourneyInspector = got.inspector
    return Part(
        path=got.path,
        window=window,
        sha256=got.sha256,
        bytes=got.bytes,
        raw_bytes=got.raw_bytes,
        rows=seen.rows,
        columns=seen.columns,
        received_as=got.received_as,
        promised_rows=seen.promised_rows,
        next_page=next_page,
        dated=got.dated,
        counted_at=seen.settings.places,
    )


def joined(pages: Sequence[Part], to: Path, window: Window, settings: MappingSettings) -> Part:
    """Puts the records of pages into one file, as an array where the connection has it; of no pages, one of none."""
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
