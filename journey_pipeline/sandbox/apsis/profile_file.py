"""The file of a profile export: one JSON object, written piece by piece.

Not here: which profiles it has (`profiles.py`), and how it is sent (`generated.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from journey_pipeline.sandbox.apsis.options import FileShape
from journey_pipeline.sandbox.apsis.profiles import FileEvent, Profile, Profiles, ProfileSection

_PIECE_CHARS = 1 << 18
_NUMBERS = (int, float)  # their text is JSON already, and the encoder is slow with them
_encode = json.JSONEncoder(ensure_ascii=False).encode
_METADATA = {"note": 'ends with }]"', "profiles": {"xk-0": {"sections": {}}}, "version": 2}


class ProfileFile:
    """The file of one export."""

    def __init__(self, profiles: Profiles, shape: FileShape) -> None:
        self._profiles, self._shape = profiles, shape
        self._is_pretty = shape.layout == "pretty"
        self._colon = '": ' if self._is_pretty else '":'
        self._time_quote = '"' if shape.times == "text" else ""
        self._type_quote = '"' if shape.type_ids == "text" else ""
        self._extra = f',{_encode(shape.extra_column)}:"x"' if shape.extra_column else ""

    @property
    def between(self) -> bytes:
        """What stands between two profiles."""
        return f",{self._line(2)}".encode() + b'"xk-'

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes."""
        pieces: list[str] = []
        chars = 0
        for piece in self._pieces():
            pieces.append(piece)
            chars += len(piece)
            if chars >= _PIECE_CHARS:
                yield "".join(pieces).encode()
                pieces, chars = [], 0
        yield "".join(pieces).encode()

    def _line(self, depth: int) -> str:
        return "\n" + "  " * depth if self._is_pretty else ""

    def _name(self, name: str) -> str:
        return f'"{name}{self._colon}'

    def _pieces(self) -> Iterator[str]:
        metadata = self._name("metadata") + json.dumps(_METADATA, separators=(",", ":"))
        where = self._shape.metadata
        yield "{" + self._line(1)
        if where == "before":
            yield f"{metadata},{self._line(1)}"
        yield self._name("profiles") + "{"
        comma = ""
        for profile in self._profiles:
            yield comma + self._line(2)
            yield from self._profile(profile)
            comma = ","
        yield (self._line(1) if comma else "") + "}"
        yield f",{self._line(1)}{metadata}" if where == "after" else ""
        yield self._line(0) + "}"

    def _profile(self, profile: Profile) -> Iterator[str]:
        key = f"{profile.key}:{' ' if self._is_pretty else ''}"
        yield f"{key}{{{self._line(3)}{self._name('sections')}{{"
        for number, section in enumerate(profile.sections):
            yield from self._section(section, "," if number else "")
        yield f"{self._line(3) if profile.sections else ''}}}{self._line(2)}}}"

    def _section(self, section: ProfileSection, comma: str) -> Iterator[str]:
        yield f"{comma}{self._line(4)}{self._name(section.id)}{{{self._line(5)}{self._name('attributes')}{{"
        held = [
            self._line(6) + self._name(version_id) + self._value(value)
            for version_id, value in chain(section.stale.items(), section.attributes.items())
        ]
        yield ",".join(held) + (self._line(5) if held else "") + "}"
        if section.events is not None:
            yield f",{self._line(5)}{self._name('events')}["
            before, after = self._line(6), ""
            for text in map(self._stale_event if section.stale else self._event, section.events):
                yield before + text
                before, after = f",{self._line(6)}", self._line(5)
            yield f"{after}]"
        yield self._line(4) + "}"

    def _value(self, value: Any) -> str:
        text = repr(value) if value.__class__ in _NUMBERS else _encode(value)
        if not self._shape.history or value is None:
            return f'{{"value":{text}}}'
        return f'{{"value":{text},"history":[{{"value":null,"createdAt":0}},{{"value":{text},"createdAt":1}}]}}'

    def _stale_event(self, event: FileEvent) -> str:
        """The event with its type twice, the right one last."""
        return '{"typeId":"0",' + self._event(event)[1:]

    def _event(self, event: FileEvent) -> str:
        created_ms, stated_ms, type_id, correlation_id, data = event
        time, kind = self._time_quote, self._type_quote
        named = "" if correlation_id is None else f'"correlationId":{_encode(correlation_id)},'
        return (
            f'{{{named}"sourceEventTime":{time}{stated_ms}{time},"typeId":{kind}{type_id}{kind},'
            f'"createdAt":{time}{created_ms}{time},"data":{data}{self._extra}}}'
        )
