"""The file of a profile export: one JSON object of any size, read some profiles at a time, checked as it lands.

Not here: its events as columns (`reader.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import msgspec

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError
from journey_pipeline.formats.json_elements import Elements
from journey_pipeline.formats.json_object import LONGEST_MEMBER_BYTES, ObjectSplitter
from journey_pipeline.formats.json_scan import BrokenError, CutError, DocumentError, NoRecordsError, OversizedError
from journey_pipeline.formats.small_answers import foreign_form

Scalar = str | int | None
Made = TypeVar("Made")

_EMPTY = msgspec.Raw(b"{}")
_NULL = msgspec.Raw(b"null")
_SECTIONS = b'"sections"'
_REFUSALS = (msgspec.DecodeError, ValueError)
# An escaped backslash, a pair of surrogates, or one that lacks the other: half a character, cut off by the vendor.
_ESCAPES = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_REPLACEMENT = rb"\ufffd"
# A text, or what stands outside of texts and is no JSON, though many programs write it.
_NO_NUMBERS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|(-?Infinity\b|NaN\b)', re.DOTALL)
NO_PROFILE = "not a profile with sections"
LONGEST_PROFILE_BYTES = LONGEST_MEMBER_BYTES


class Event(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """An event as documented (D1); ids and times may come as numbers or as text (assumed)."""

    correlation_id: Scalar = None
    source_event_time: Scalar = None
    type_id: Scalar = None
    created_at: Scalar = None
    data: msgspec.Raw = _NULL


class Section(msgspec.Struct, gc=False):
    """A profile's data in one section. Other members stay in the landing."""

    attributes: msgspec.Raw = _EMPTY
    events: list[Event] | None = None


class Profile(msgspec.Struct, gc=False):
    """A profile, its sections by id."""

    sections: dict[str, Section] | None = None


class RawSection(msgspec.Struct, gc=False):
    """A profile's data in one section, with its events as raw bytes."""

    attributes: msgspec.Raw = _EMPTY
    events: list[msgspec.Raw] | None = None


class RawProfile(msgspec.Struct, gc=False):
    """A profile of which at least one event of its buffer is not as documented."""

    sections: dict[str, RawSection] | None = None


class Keyed(NamedTuple):
    """A profile under its export key; None if it has no sections as documented, with its text."""

    key: str
    profile: Profile | RawProfile | None
    raw: bytes = b""

    @property
    def records(self) -> int:
        """How many records it is: its events, or itself if it is none."""
        if self.profile is None:
            return 1
        return sum(len(section.events or ()) for section in (self.profile.sections or {}).values())


class Faulty(NamedTuple):
    """Some text in place of a profile, and what is wrong with it."""

    raw: bytes
    fault: str


_typed = msgspec.json.Decoder(dict[str, Profile]).decode
_untyped = msgspec.json.Decoder(dict[str, RawProfile]).decode
_pieces = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_profile = msgspec.json.Decoder(RawProfile).decode


def splitter(*, as_raw: bool, longest_bytes: int) -> ObjectSplitter[list[Keyed]]:
    """Reads a file by buffers of whole profiles; one that is too long comes in parts, each with its attributes.

    Args:
        as_raw: Whether all events are wanted as they stand.
        longest_bytes: The most bytes that are held of one profile.
    """

    def decode(document: bytes) -> list[Keyed]:
        return decoded(document, as_raw=as_raw)

    return ObjectSplitter("profiles", decode, hint="sections", array="events", longest_bytes=longest_bytes)


def profiles(chunks: Iterable[bytes], *, as_raw: bool, longest_bytes: int) -> Iterator[list[Keyed] | Faulty]:
    """The profiles of a whole file, some at a time, and what stands in place of profiles.

    Raises:
        DocumentError: If the file is not whole, or no such file.
    """
    for members in splitter(as_raw=as_raw, longest_bytes=longest_bytes).split(chunks):
        yield Faulty(members.raw, members.fault or NO_PROFILE) if members.decoded is None else members.decoded


def decoded(document: bytes, *, as_raw: bool) -> list[Keyed]:
    """The profiles of a document `{"key": ...}`; each one where a key repeats.

    Raises:
        ValueError: If it is no JSON; `msgspec.DecodeError` is one.
        RecursionError: If it is nested deeper than can be read, some 900 levels.
    """
    read = _read_raw if as_raw else _read
    try:
        return with_own_stack(lambda text: _all_of(text, read), document)
    except _REFUSALS:
        mended = _mended(document)
        if mended == document:
            raise
        return _all_of(mended, read)


def with_own_stack(read: Callable[[bytes], Made], text: bytes) -> Made:
    """Reads a text, and where it is nested too deep for here, once more on a thread that has all of its stack left.

    How deep is too deep is so the same for all who read a file: they count the same events.
    """
    try:
        return read(text)
    except RecursionError:
        with ThreadPoolExecutor(1) as own:
            return own.submit(read, text).result()


def _all_of(document: bytes, read: Callable[[bytes], list[Keyed]]) -> list[Keyed]:
    """All profiles: of those under one key, reading at once gives the last one alone."""
    found = read(document)
    if document.count(_SECTIONS) == len(found):
        return found
    members = Elements(b"{", at=1, longest_bytes=len(document)).feed(document[document.index(b"{") + 1 :])
    if len(members) == len(found):
        return found
    return [one for member in members for one in read(b"{%b}" % member)]


def _read(document: bytes) -> list[Keyed]:
    try:
        if not document.isascii():
            document.decode()
        return [Keyed(key, profile) for key, profile in _typed(document).items()]
    except _REFUSALS:
        return _read_raw(document)


def _read_raw(document: bytes) -> list[Keyed]:
    try:
        return [Keyed(key, profile) for key, profile in _untyped(document).items()]
    except msgspec.ValidationError:
        return [_one(key, bytes(raw)) for key, raw in _pieces(document).items()]


def _one(key: str, raw: bytes) -> Keyed:
    try:
        return Keyed(key, _profile(raw))
    except msgspec.ValidationError:
        return Keyed(key, None, raw)


def _mended(document: bytes) -> bytes:
    """The document without half characters, and with NaN and Infinity as text."""
    if b"\\ud" in document or b"\\uD" in document:
        document = _ESCAPES.sub(lambda found: _REPLACEMENT if found[1] else found[0], document)
    if b"NaN" in document or b"Infinity" in document:
        document = _NO_NUMBERS.sub(lambda found: b'"%b"' % found[1] if found[1] else found[0], document)
    return document


_BLANK = b" \t\r\n\xef\xbb\xbf"
_MARK_BYTES = 3
_START_BYTES = 4096


class ProfileInspector:
    """Checks one file and counts its events.

    Args:
        longest_bytes: The most bytes that are held of one profile.

    Attributes:
        rows: Events, and things in place of profiles; final once `finish` has returned.
        columns: None: an event says by itself what it holds.
    """

    columns: tuple[str, ...] = ()

    def __init__(self, longest_bytes: int = LONGEST_PROFILE_BYTES) -> None:
        self.rows = 0
        self._profiles = 0
        self._splitter = splitter(as_raw=True, longest_bytes=longest_bytes)
        self._head: bytes | None = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If it is a page, or no JSON from its start on.
            DamagedAnswerError: If it stops being JSON later: asked again, it may come whole.
        """
        if self._head is not None:
            self._head += chunk
            chunk = self._head.lstrip(_BLANK)
            if not chunk:
                # Blanks without end must not fill the memory; a mark that stands in front is kept.
                self._head = self._head[:_MARK_BYTES]
                return
            if form := foreign_form(chunk):
                raise ContractError(f"{form} came in place of JSON in UTF-8. Ask the vendor for JSON in UTF-8.")
            if chunk.startswith(b"<"):
                raise ContractError(
                    "an HTML page came in place of an export. Check the connection's URL; if it is right, try again "
                    "later."
                )
            chunk, self._head = self._head, None
        try:
            self._count(chunk)
        except DocumentError as error:
            raise self._told(error) from None

    def finish(self, *, verified: bool) -> None:  # noqa: ARG002 - the document has an end of its own
        """Takes the end.

        Raises:
            TransientVendorError: If the file is cut.
            ContractError: If it is no export.
        """
        try:
            for members in self._splitter.finish():
                self._add(members.decoded)
        except DocumentError as error:
            raise self._told(error) from None

    def _count(self, chunk: bytes) -> None:
        for members in self._splitter.feed(chunk):
            self._add(members.decoded)

    def _add(self, found: list[Keyed] | None) -> None:
        self.rows += 1 if found is None else sum(one.records for one in found)
        self._profiles += 1 if found is None else len(found)

    def _told(self, error: DocumentError) -> ContractError | TransientVendorError:
        so_far = f"{self.rows:,} events in {self._profiles:,} profiles before that are whole"
        if isinstance(error, CutError):
            return TransientVendorError(f"the export {error}: it was cut off; {so_far}.")
        if isinstance(error, BrokenError) and error.at > _START_BYTES:
            return DamagedAnswerError(f"the export {error}: it is broken in its middle; {so_far}.")
        return _not_taken(error)


def _not_taken(error: DocumentError) -> ContractError:
    if isinstance(error, OversizedError):
        return ContractError(
            f"the export {error}, and no events to cut it between. Raise `longest_profile_mib` in defs.yaml: memory is "
            "some ten times that at most."
        )
    if isinstance(error, NoRecordsError):
        return ContractError(f"the export {error}. Look at what came, and ask the vendor.")
    return ContractError(f"what should be an export of profiles {error}. Look at what came, and ask the vendor.")
