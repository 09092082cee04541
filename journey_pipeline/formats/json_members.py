"""What stands in a top-level object besides what is streamed: its members' names and small values.

Not here: which member is streamed (`json_outer.py`, `json_object.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from journey_pipeline.formats.failures import BrokenError
from journey_pipeline.formats.plain_json import read_json

_LONGEST_VALUE_BYTES = 64 << 10
_MOST_MEMBERS = 100
_MEMBER = re.compile(rb'("(?:[^"\\]|\\.)*+")[ \t\r\n]*+:[ \t\r\n]*+', re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z_][\w.-]{0,59}")


class Member(NamedTuple):
    """A member of an object as it stands.

    Attributes:
        name: Its name.
        value: Its value's text, as far as it came.
        at: Where that begins.
    """

    name: str
    value: bytes
    at: int


def read_member(text: bytes, at: int) -> Member:
    """Takes a member apart.

    Raises:
        BrokenError: If it does not begin with a name and a colon.
    """
    found = _MEMBER.match(text)
    if not found:
        raise BrokenError(f"has no name with a colon at byte {at}", at=at)
    try:
        name = str(json.loads(found[1]))
    except ValueError as error:
        raise BrokenError(f"has a name that is no JSON at byte {at}", at=at) from error
    return Member(name, text[found.end() :], at + found.end())


class SmallMembers:
    """The first members of an object: their names, and their values where those are small.

    Attributes:
        names: The names, in their order.
        values: The values that are small.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values: dict[str, Any] = {}

    def name(self, member: Member) -> None:
        """Notes that there is such a member."""
        if len(self.names) < _MOST_MEMBERS:
            self.names.append(member.name)

    def keep(self, member: Member) -> None:
        """Keeps a whole member's value if it is small.

        Raises:
            BrokenError: If it is no JSON.
        """
        if len(member.value) > _LONGEST_VALUE_BYTES or len(self.values) >= _MOST_MEMBERS:
            return
        try:
            self.values[member.name] = read_json(member.value)
        except ValueError as error:
            raise BrokenError(f"has a value that is no JSON at byte {member.at}", at=member.at) from error


def told(names: Sequence[str]) -> str:
    """Names that are surely none of a person's data."""
    plain = [name for name in names if _PLAIN_NAME.fullmatch(name)]
    others = f"and {len(names) - len(plain)} others" if len(plain) < len(names) else ""
    return ", ".join([*plain, *([others] if others else [])]) or "none"
