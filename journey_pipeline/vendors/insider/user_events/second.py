"""Version 2 of the export, PROVISIONAL: ordered, polled and called for by one id, in chunks of people and of events.

The vendor publishes neither paths nor fields of it: they are the contract's proposal, and settings. Not here: version 1
and what both share (`stream.py`), how the chunks' columns are called (`columns.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import quote

from journey_pipeline.errors import ConfigError, ContractError, ExportExpired, TransientVendorError
from journey_pipeline.settings import variable_name
from journey_pipeline.transport.response import Answer, Place
from journey_pipeline.vendors.insider.link import judge_chunk
from journey_pipeline.vendors.insider.names import Wanted
from journey_pipeline.vendors.insider.user_events.stream import UserEvents
from journey_pipeline.vendors.source import Look, Part, Plan, Ticket, Verdict

log = logging.getLogger(__name__)

_NOT_FOUND = 404
_FORMATS = ("parquet", "csv")
_CUSTOM = "c_"
_STATES = {"completed": Verdict.READY, "failed": Verdict.FAILED, "expired": Verdict.GONE}


@dataclass(frozen=True, slots=True)
class Names:
    """Paths, fields and states of version 2, as the contract proposes them.

    Attributes:
        status_path: `{export_id}` stands for the export's id.
    """

    export_path: str = "/api/raw/v2/export"
    status_path: str = "/api/raw/v2/export/{export_id}"
    export_id: str = "export_id"
    status: str = "status"
    attribute_files: str = "attribute_files"
    event_files: str = "event_files"
    url: str = "url"
    error: str = "error"
    completed: str = "completed"
    failed: str = "failed"
    expired: str = "expired"

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Names:
        """The proposal, with what a connection's settings say instead.

        Raises:
            ConfigError: If they name something else.
        """
        known = [field.name for field in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ConfigError(f"`v2_names` has {', '.join(unknown)}; it may have {', '.join(known)}.")
        return cls(**given)


class UserEventsV2(UserEvents):
    """User events by version 2 of the export. PROVISIONAL.

    Args:
        names: Paths, fields and states.
        more: As `UserEvents`.

    Raises:
        ConfigError: If files are wanted in a format that it does not have.
    """

    def __init__(self, *more: Any, names: Names | None = None, **named: Any) -> None:
        super().__init__(*more, **named)
        self._names = names or Names()
        if self._client.account.format not in _FORMATS:
            raise ConfigError(
                f"{variable_name(self._client.connection, 'format')} must be {' or '.join(_FORMATS)}: version 2 of the "
                "export has no other format. Nothing was asked."
            )

    @property
    def export_path(self) -> str:
        """Where orders go."""
        return self._names.export_path

    def look(
        self,
        ticket: Ticket,
        plan: Plan,
        *,
        to: Place | None = None,
    ) -> Look:
        """Asks how far an export is; a state that is not known is pending."""
        del to
        if ticket.export_id is None:
            return super().look(ticket, plan)
        answer = self._client.export_status(self._path(ticket.export_id), window=plan.window)
        if answer.status == _NOT_FOUND:
            return Look(Verdict.UNACKNOWLEDGED, answer.status, "the vendor does not know the export")
        said = _object(answer)
        state = said.get(self._names.status)
        verdict = self._verdict(state)
        told = said.get(self._names.error)
        says = f"the vendor made no file: {told}" if isinstance(told, str) else f"the export is {str(state)[:40]}"
        return Look(verdict, answer.status, says, answer.retry_after_s)

    def fetch(
        self,
        ticket: Ticket,
        plan: Plan,
        to: Place,
        *,
        after: Part | None = None,
    ) -> Part:
        """Downloads the next chunk: those of people first. Each time the vendor is asked for fresh links."""
        number = int(after.next_page or 0) if after else 0
        chunks = self._chunks(ticket, plan)
        if not chunks:
            raise TransientVendorError(
                f"{self.stream.key}: the export has no chunk of people or events. It is looked at again.",
                **self.stream.key.naming(plan.window),
            )
        link = chunks[number]
        if broken := judge_chunk(link, self.stream.key.connection, self._now()):
            raise ContractError(
                f"{self.stream.key}: the link of chunk {number + 1} breaks a rule: {broken}. It was not fetched.",
                **self.stream.key.naming(plan.window),
            )
        got = super().fetch(Ticket(poll_address=link), plan, to)
        return replace(got, next_page=str(number + 1) if number + 1 < len(chunks) else None)

    def _chunks(self, ticket: Ticket, plan: Plan) -> list[str]:
        export_id = ticket.export_id or (ticket.poll_address or "").partition(":")[2]
        answer = self._client.export_status(self._path(export_id), window=plan.window)
        said, names = _object(answer), self._names
        verdict = Verdict.GONE if answer.status == _NOT_FOUND else self._verdict(said.get(names.status))
        if verdict is Verdict.GONE:
            raise ExportExpired(
                f"{self.stream.key}: the vendor has the export no more.", **self.stream.key.naming(plan.window)
            )
        if verdict is not Verdict.READY:
            raise TransientVendorError(
                f"{self.stream.key}: the export is not complete. It is looked at again.",
                **self.stream.key.naming(plan.window),
            )
        files = [one for kind in (names.attribute_files, names.event_files) for one in said.get(kind) or ()]
        links = [one.get(names.url) if isinstance(one, dict) else None for one in files]
        if not all(isinstance(link, str) for link in links):
            raise ContractError(
                f"{self.stream.key}: a chunk has no `{names.url}`. Compare `v2_names` with the vendor's documentation.",
                **self.stream.key.naming(plan.window),
            )
        return [str(link) for link in links]

    def _verdict(self, state: object) -> Verdict:
        named = {getattr(self._names, name): verdict for name, verdict in _STATES.items()}
        if isinstance(state, str) and state in named:
            return named[state]
        log.info("%s: the export is %s", self.stream.key, str(state)[:40])
        return Verdict.PENDING

    def _path(self, export_id: str) -> str:
        return self._names.status_path.replace("{export_id}", quote(export_id, safe=""))

    def _body(self, plan: Plan, wanted: Sequence[Wanted], hook: str) -> dict[str, Any]:
        """As of version 1, with customs under their public names."""
        body = super()._body(plan, wanted, hook)
        body["attributes"] = [_public(name) for name in body["attributes"]]
        for one in body["events"]["wanted"]:
            one["params"] = [_public(name) for name in one["params"]]
        return body

    def _ticket(self, answer: Answer) -> Ticket:
        """The export's id. Without one the call alone tells of the export: the order was taken on all the same."""
        try:
            export_id = _object(answer).get(self._names.export_id)
        except (ContractError, TransientVendorError):
            export_id = None
        return Ticket(export_id=export_id if isinstance(export_id, str) else None, status=answer.status)


def _object(answer: Answer) -> Mapping[str, Any]:
    said = answer.json()
    return said if isinstance(said, dict) else {}


def _public(name: str) -> str:
    return f"custom.{name.removeprefix(_CUSTOM)}" if name.startswith(_CUSTOM) else name
