"""The stream `user_profiles`: a list that was dropped is judged before it lands; nothing of it is asked for.

Not here: the folders and the order of steps (`loading/intake.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from journey_pipeline.errors import ContractError, JourneyError
from journey_pipeline.files import sha256_of
from journey_pipeline.model import CLOCK_DIFFERENCE, Granularity, StreamKey, Window, iso
from journey_pipeline.vendors.dropped import DroppedFile, DropSource
from journey_pipeline.vendors.insider.client import InsiderClient
from journey_pipeline.vendors.insider.user_profiles.about import about_file
from journey_pipeline.vendors.insider.user_profiles.reader import ABOUT, CONTACTS, DIALECT, profiles_recipe
from journey_pipeline.vendors.insider.user_profiles.table import (
    MOST_ATTRIBUTES,
    Dialect,
    Header,
    decoded,
    encoding_of,
    header_of,
    records,
    separator_of,
)
from journey_pipeline.vendors.source import Plan, Request, Stream

log = logging.getLogger(__name__)

# Of what people drop, nothing ends: no vendor deletes it.
_FOREVER = timedelta(days=36_500)
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_PACKED = {b"PK\x03\x04": "an archive or a spreadsheet", b"7z\xbc\xaf": "an archive", b"Rar!": "an archive"}


@dataclass(frozen=True, slots=True)
class ListLimits:
    """The largest list that is taken in.

    Attributes:
        bytes: Of the file, and of its content.
        inflated: How many times as large its content may be.
    """

    bytes: int = 2 << 30
    rows: int = 10_000_000
    inflated: int = 100


@dataclass(frozen=True, slots=True)
class ListSettings:
    """How lists are read.

    Attributes:
        encoding: Of a list without a byte order mark.
        aliases: Ids of attributes by names of columns.
    """

    encoding: str = "utf-8"
    aliases: Mapping[str, str] = field(default_factory=dict)
    limits: ListLimits = ListLimits()


def user_profiles_stream(connection: str, start: datetime, aliases: Mapping[str, str] | None = None) -> Stream:
    """The stream of a connection."""
    key = StreamKey("insider", connection, "user_profiles")
    return Stream(
        key=key,
        granularity=Granularity.DAY,
        recipe=profiles_recipe(aliases or {}),
        retention=_FOREVER,
        start=start,
        answers="dropped",
        claims=("lists_are_as_told",),
        lacks={"estimate": "lists are exported by hand, and nothing of them can be asked for"},
    )


class UserProfiles(DropSource):
    """Lists of people of one connection.

    Args:
        stream: Which stream it is, as `user_profiles_stream` gives it.
        open_client: Opens the account, for the names of its attributes.
        folder: Where they are dropped.
        partner: The account's name; empty if it is unknown.
    """

    def __init__(
        self,
        stream: Stream,
        settings: ListSettings,
        open_client: Callable[[], InsiderClient],
        folder: Path,
        *,
        partner: str = "",
    ) -> None:
        self.stream, self.folder = stream, folder
        self._settings = settings
        self._open_client = open_client
        self._partner = partner
        self._contacts: dict[str, str] | None = None

    def request(self, window: Window) -> Request:  # noqa: ARG002 - nothing is asked for
        """Nothing."""
        return {}

    def plans(self, windows: Iterable[Window]) -> list[Plan]:
        """None: lists come when people drop them."""
        del windows
        return []

    def close(self) -> None:
        """Holds nothing open."""

    def answers(self) -> dict[str, Any]:
        """What the account calls its attributes; nothing if it can't be asked."""
        if self._contacts is None:
            self._contacts = self._listed()
        return {CONTACTS: self._contacts} if self._contacts else {}

    def digest_beside(self, beside: bytes | None) -> str | None:
        """As `DropSource` says."""
        try:
            told = json.loads(beside.decode("utf-8-sig")) if beside else None
        except (ValueError, RecursionError):
            return None
        digest = told.get("sha256") if isinstance(told, dict) else None
        return digest.lower() if isinstance(digest, str) else None

    def judge(
        self, file: Path, name: str, beside: bytes | None, *, dated: datetime, answers: Mapping[str, Any], now: datetime
    ) -> DroppedFile:
        """As `DropSource` says."""
        about = about_file(name, beside)
        if about.partner and self._partner and about.partner.lower() != self._partner:
            raise ContractError("`partner` in the .json file beside it is another account than this connection's")
        exported_at = about.exported_at or min(dated, now)
        if exported_at > now + CLOCK_DIFFERENCE:
            raise ContractError(f"it was exported at {iso(exported_at)}, which is still to come")
        if exported_at < self.stream.start:
            raise ContractError(
                f"it was exported at {iso(exported_at)}, before `start` of the connection: set an earlier one in "
                "defs.yaml"
            )
        read = _Read(file, self._settings.limits)
        if about.sha256 and about.sha256 != sha256_of(file):
            raise ContractError("its content is not what `sha256` in the .json file beside it says")
        table = self._table(read, answers.get(CONTACTS, {}))
        written = {**about.written(), "exported_at": iso(exported_at)}
        return DroppedFile(
            exported_at=exported_at,
            content_sha256=read.sha256,
            raw_bytes=read.bytes,
            rows=table.rows,
            columns=table.columns,
            is_gzip=read.is_gzip,
            about={name: value for name, value in about.written().items() if name not in {"exported_at", "users"}},
            answers={ABOUT: written, DIALECT: asdict(table.dialect)},
            warnings=tuple(_warnings(table, about.users)),
        )

    def _listed(self) -> dict[str, str]:
        try:
            with closing(self._open_client()) as client:
                listed = client.columns("contacts")
            return {str(one["key"]): str(one.get("display_name") or one["key"]) for one in listed}
        except JourneyError as error:
            log.warning("%s: the account's attributes can't be listed now: %s", self.stream.key, error)
            return {}

    def _table(self, read: _Read, contacts: Mapping[str, str]) -> _Table:
        chunks = read.chunks()
        start = next(chunks, b"")
        for mark, what in _PACKED.items():
            if start.startswith(mark):
                raise ContractError(f"it is {what}: export or save it as CSV")
        encoding = encoding_of(start, self._settings.encoding)
        texts = decoded(chain([start], chunks), encoding)
        first = next(texts, "")
        dialect = Dialect(encoding, separator_of(first.lstrip("\r\n").partition("\n")[0]))
        found = records(chain([first], texts), dialect.separator)
        names, _ = next(found, ([], ""))
        if not names:
            raise ContractError("it is empty")
        header = header_of(names, contacts, self._settings.aliases)
        rows = 0
        for _ in found:
            rows += 1
            if rows > self._settings.limits.rows:
                raise ContractError(
                    f"it has more than {self._settings.limits.rows:,} rows: export fewer people at a time"
                )
        return _Table(dialect, header, tuple(names), rows)


@dataclass(frozen=True, slots=True)
class _Table:
    """What was found in a list."""

    dialect: Dialect
    header: Header
    columns: tuple[str, ...]
    rows: int


def _warnings(table: _Table, users: int | None) -> Iterator[str]:
    if not table.rows:
        yield "it names no one"
    if users is not None and users != table.rows:
        yield f"it has {table.rows:,} rows, and the panel counted {users:,} users"
    if table.header.attributes > MOST_ATTRIBUTES:
        yield f"it has {table.header.attributes} attributes, and the panel exports {MOST_ATTRIBUTES} at most"


class _Read:
    """A dropped file, read within limits.

    Attributes:
        sha256: Of its content, once it was read.
        bytes: Its size inflated, likewise.
    """

    def __init__(self, file: Path, limits: ListLimits) -> None:
        self._file, self._limits = file, limits
        self._size = file.stat().st_size
        if self._size > limits.bytes:
            raise ContractError(f"it has {self._size:,} bytes, and {limits.bytes:,} are the limit")
        with file.open("rb") as opened:
            self.is_gzip = opened.read(len(_GZIP)) == _GZIP
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        with gzip.open(self._file) if self.is_gzip else self._file.open("rb") as opened:
            try:
                while chunk := opened.read(_CHUNK):
                    self._count(chunk)
                    yield chunk
            except (EOFError, zlib.error, gzip.BadGzipFile):
                raise ContractError("it is no whole gzip file") from None

    def _count(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        self._digest.update(chunk)
        most = (
            min(self._limits.bytes, self._limits.inflated * max(self._size, 1)) if self.is_gzip else self._limits.bytes
        )
        if self.bytes > most:
            raise ContractError(f"it inflates to more than {most:,} bytes")
