"""An answer on its way out: written to a file of its own, then sent from it, whole or as a fault leaves it.

The file is there so that a length can be promised, and so that memory depends neither on the answer nor on how slowly
it is read. Not here: what the answer holds (`selection.py`, `records.py`), and in which shape (`document.py`).
"""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from isal import isal_zlib
from starlette.responses import Response

from journey_pipeline.sandbox.bodies import PackedFile, cut_off
from journey_pipeline.sandbox.faults import spoil
from journey_pipeline.sandbox.gate import Exchange
from journey_pipeline.sandbox.layerfive.document import document
from journey_pipeline.sandbox.layerfive.envelope import RefusedError
from journey_pipeline.sandbox.layerfive.options import LayerFiveOptions
from journey_pipeline.sandbox.layerfive.question import Question
from journey_pipeline.sandbox.layerfive.records import Teller, times_as
from journey_pipeline.sandbox.layerfive.selection import matching
from journey_pipeline.sandbox.wire import StreamedResponse
from journey_pipeline.sandbox.world import World

_cut = partial(cut_off, quoted=False)


class Answers:
    """Writes and sends answers.

    Args:
        folder: For answers while they are sent; must exist.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self._closed = threading.Event()

    def close(self) -> None:
        """Stops writing. Calls that wait for an answer get a `RefusedError`."""
        self._closed.set()

    def answer(self, exchange: Exchange, question: Question, options: LayerFiveOptions) -> Response:
        """The answer to a question, or one of its pages.

        Raises:
            RefusedError: 404 for a missing page or an unknown person.
        """
        return self._sent(exchange, self._written(exchange, question, options), options)

    def _written(self, exchange: Exchange, question: Question, options: LayerFiveOptions) -> PackedFile:
        """The answer as an unnamed file that is deleted when it is closed."""
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed when it has been sent
        try:
            pack, raw_bytes = isal_zlib.compressobj(level=1, wbits=31), 0
            for data in self._document(exchange, question, options):
                if self._closed.is_set():
                    raise RefusedError(503, "The sandbox is being stopped.")  # noqa: TRY301 - the file goes with it
                raw_bytes += len(data)
                file.write(pack.compress(data))
            file.write(pack.flush())
            packed_bytes = file.tell()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return PackedFile(file, packed_bytes, raw_bytes)

    def _document(self, exchange: Exchange, question: Question, options: LayerFiveOptions) -> Iterator[bytes]:
        """The bytes of an answer, or of one of its pages."""
        total = sum(len(some) for some in matching(self._world.visits, question, options))
        size = options.page_size or max(total, 1)
        first = question.page * size
        if first and first >= total:
            raise RefusedError(404, "Invalid page.")
        teller = Teller(options, times=times_as(options))
        touchpoints = itertools.chain.from_iterable(matching(self._world.visits, question, options))
        records = (
            teller.record(touchpoint, question.asked_ms)
            for touchpoint in itertools.islice(touchpoints, first, first + size)
        )
        count = min(size, total - first) if options.count == "page" else total
        following = _next_link(exchange, question, options) if first + size < total else None
        return document(records, options, count=count, following=following)

    @staticmethod
    def _sent(exchange: Exchange, packed: PackedFile, options: LayerFiveOptions) -> Response:
        media_type = "application/x-ndjson" if options.ndjson else "application/json"
        headers = {"content-type": options.content_type or media_type, "vary": "Accept, Origin"}
        gzip = "gzip" in exchange.request.headers.get("accept-encoding", "").lower()
        if gzip:
            headers["content-encoding"] = "gzip"
        kind, value = (exchange.fault.kind, exchange.fault.value) if exchange.fault else (None, "")
        error = b'{"detail": "Something broke."}\n'
        body = spoil(packed, gzip=gzip, kind=kind, value=value, error=error, cut=_cut)
        promised = options.transfer == "content_length"
        return StreamedResponse(body, headers=headers, promise_length=promised, file=packed.file)


def _next_link(exchange: Exchange, question: Question, options: LayerFiveOptions) -> str:
    url = exchange.request.url
    page = question.page + (options.next_link != "repeating")
    link = f"{url.path}?{question.page_query(page)}"
    if options.next_link == "relative":
        return link
    host = "https://elsewhere.example" if options.next_link == "foreign" else f"{url.scheme}://{url.netloc}"
    return f"{host}{link}"
