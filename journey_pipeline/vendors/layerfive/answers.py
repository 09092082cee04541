"""What an answer must look like, checked in passing while it lands, and what a refusal means.

Not here: the requests (`client.py`), which field is which (`mapping.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from journey_pipeline.errors import ContractError
from journey_pipeline.vendors.json_answer import JsonInspector
from journey_pipeline.vendors.layerfive.mapping import MappingSettings, is_tellable
from journey_pipeline.vendors.layerfive.parsing import ARRAYS, Head, parsed_or_none, unfolded

_MOST_COLUMNS = 500
_MOST_EVENTS = 10**15  # beyond it a count is a mistake


class JourneyInspector(JsonInspector):
    """Counts the events of an answer, also where they lie inside of persons, and keeps its first records.

    Args:
        settings: What the connection says of its records.

    Attributes:
        settings: Likewise.
        head: The first records.
        persons: Records of the answer, of which each may hold several events.
    """

    def __init__(self, settings: MappingSettings | None = None) -> None:
        self.settings = settings or MappingSettings()
        super().__init__(ARRAYS, path=self.settings.records_path)
        self.head = Head()
        self.persons = 0
        self._nested: str | None = None
        self._is_open = False

    def take(self, records: Sequence[bytes]) -> None:
        """Counts the events of the next records."""
        self.persons += len(records)
        rest = records if self._is_open else self.head.take(records)
        if self.head.is_full:
            self._begin()
        self._count(rest)

    def finish(self, *, verified: bool) -> None:
        """Takes the end; see `JsonInspector`."""
        super().finish(verified=verified)
        self._begin()
        _ = self.next_link  # refused while the evidence is at hand

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the first events' fields, as far as they can be told."""
        events = (event for record in self.head.values() for event in unfolded(record, self._nested))
        names = dict.fromkeys(name for event in events if isinstance(event, dict) for name in event)
        return tuple(filter(is_tellable, names))[:_MOST_COLUMNS]

    @property
    def promised_rows(self) -> int | None:
        """How many events the answer says it has; None if it says nothing, or speaks of all its pages."""
        count = None if self.no_records else self.members.get("count")
        if not isinstance(count, int) or isinstance(count, bool) or self.members.get("next"):
            return None
        if not 0 <= count <= _MOST_EVENTS:
            return None
        return self.rows if self._nested and count == self.persons else count

    @property
    def next_link(self) -> str | None:
        """Where the answer goes on.

        Raises:
            ContractError: If it goes on, and where to is no link.
        """
        link = self.members.get("next")
        if link is None and "next" in self.names and "next" not in self.members:
            link = ()  # too long to be kept
        if link is None or link == "":
            return None
        if not isinstance(link, str):
            what = type(link).__name__ if link else "value that is longer than any link"
            raise ContractError(
                f"the answer's `next` is no link but a {what}, so its other pages can't be asked for. "
                "The vendor's answer has changed; please report it."
            )
        return link

    def _begin(self) -> None:
        if not self._is_open:
            self._is_open = True
            self._nested = self.head.nested_name(self.settings)
            self._count(self.head.records)

    def _count(self, records: Sequence[bytes]) -> None:
        if self._nested is None:
            self.rows += len(records)
        else:
            self.rows += sum(len(unfolded(parsed_or_none(record), self._nested)) for record in records)


def explain(status: int, _body: bytes) -> str:
    """What a refusal means and what to do (contract of the vendor, section 5)."""
    refused = "the key is missing, wrong, revoked or not allowed to read customer journeys: check <CONNECTION>_API_KEY"
    return {
        400: "the request is refused: its date may lie in the future for the vendor",
        401: refused,
        403: refused,
        404: "check <CONNECTION>_URL: it is the address before /api",
    }.get(status, "")
