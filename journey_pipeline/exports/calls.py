"""Calls of vendors: the hook of each attempt, and what a call on it does to its export.

A vendor that calls back gives a link once, and there is no second one. So a link is taken for any attempt, and in every
state in which it may still land. One transaction keeps the call and moves the export.
Not here: HTTP (`receiver/`), what a link must be (`vendors/`), calls that wait for the ledger (`inbox.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from journey_pipeline.errors import JourneyError
from journey_pipeline.exports import orders, turns
from journey_pipeline.exports.export import ENDED, Edge, Export, Reason, State, Verdict
from journey_pipeline.exports.ledger import Ledger, Transaction, callbacks, exports, hooks
from journey_pipeline.exports.policy import ExportPolicy
from journey_pipeline.model import Judged, selection
from journey_pipeline.settings import LINK_KEY_VARIABLE
from journey_pipeline.transport.redaction import MASK, Redactor, everywhere

NONCE_BYTES = 32
BY_HAND, IN_ANSWER = "by hand", "in the answer to the order"

UNREADABLE = "its address can't be decrypted with the key of this process"
SAME_KEY = f"Set {LINK_KEY_VARIABLE} to the same key everywhere, with the earlier one behind a comma"

DEEPEST = 8
UNREADABLE_BYTES = 4 << 10
_LONGEST_SAYS = 1000
_MOST_TOLD = 100
_ADDRESS = re.compile(r"https?:[^\s\"]+", re.IGNORECASE)
_GIVEN_LIFE = timedelta(days=1)

JudgeOf = Callable[[str, str], Callable[[object, datetime], Judged]]
"""Finds the judge of a vendor's connection: of what a call says, decoded from JSON, or of a link as text."""

_nonces = Redactor()
_IS_LATE = callbacks.c.verdict == Verdict.LATE


@dataclass(frozen=True, slots=True)
class Hook:
    """The hook of an attempt, found by its nonce.

    Attributes:
        vendor: Whose rules its calls go by.
        ends_at: When it takes no more calls.
    """

    export_id: int
    attempt: int
    vendor: str
    connection: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """The newest call of an export, for people; nothing secret is in it.

    Attributes:
        verdict: What it was good for.
        says: The rule that it breaks, or the vendor's notice.
        is_kept: Whether what it said is still kept.
    """

    at: datetime
    verdict: Verdict
    says: str | None
    ends_at: datetime
    is_kept: bool

    @property
    def needs_a_person(self) -> bool:
        """Whether it waits in quarantine."""
        return self.verdict is Verdict.QUARANTINED and self.is_kept


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came.

    Attributes:
        peer: Who called, as an address.
        body: As it came; it holds a secret.
        forget_at: When its body is of no more use, if its link does not say so.
    """

    export_id: int
    attempt: int
    at: datetime
    peer: str
    body: bytes = field(repr=False)
    forget_at: datetime


def make_hook(tx: Transaction, export: Export, *, at: datetime, life: timedelta) -> str:
    """Makes the hook of an attempt.

    Returns:
        Its nonce, which the ledger does not keep: who has it may call.
    """
    nonce = secrets.token_urlsafe(NONCE_BYTES)
    keep_nonce_secret(nonce)
    row = {"nonce_sha256": _sha256(nonce.encode()), "made_at": at, "ends_at": at + life}
    tx.write(insert(hooks).values(export_id=export.id, attempt=export.attempt, **row))
    return nonce


def keep_nonce_secret(nonce: str) -> None:
    """Takes care that a nonce is never seen in messages and logs of this process."""
    _nonces.add(nonce)


def find_hook(tx: Transaction, nonce: str, *, at: datetime) -> Hook | None:
    """The hook that a nonce names; None if there is none, or its time is over."""
    digest = _sha256(nonce.encode())
    columns = (hooks, exports.c.vendor, exports.c.connection)
    query = select(*columns).join(exports, exports.c.id == hooks.c.export_id).where(hooks.c.nonce_sha256 == digest)
    for row in tx.rows(query):
        if hmac.compare_digest(row["nonce_sha256"], digest) and at < row["ends_at"]:
            return Hook(row["export_id"], row["attempt"], row["vendor"], row["connection"], row["ends_at"])
    return None


def judge(vendor: str, connection: str, body: bytes, judge_of: JudgeOf, *, at: datetime) -> Judged | None:
    """Judges the body of a call; None if it is no JSON. Where it can't be judged, that is the rule that it breaks."""
    try:
        said = decoded(body)
    except ValueError:
        return None
    try:
        return judge_of(vendor, connection)(said, at)
    except JourneyError as error:
        return Judged(breaks=f"it could not be judged: {error}")


def decoded(body: bytes) -> object:
    """The JSON of a body.

    Raises:
        ValueError: If it is none, or is nested too deeply.
    """
    try:
        said = json.loads(body.decode())
    except RecursionError:
        raise ValueError from None
    level: list[object] = [said]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _members(one)]
    if level:
        raise ValueError
    return said


def take_answer(ledger: Ledger, export: Export, body: bytes, judge_of: JudgeOf, *, at: datetime) -> Verdict:
    """Takes the answer to an order that is what the vendor calls with otherwise."""
    judged = judge(export.key.vendor, export.key.connection, body, judge_of, at=at)
    with ledger.writing() as tx:
        return take(tx, Call(export.id, export.attempt, at, IN_ANSWER, body, at + _GIVEN_LIFE), judged, at=at)


def _members(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def take(tx: Transaction, call: Call, judged: Judged | None, *, at: datetime) -> Verdict:
    """Keeps a call. A good link makes its export ready; that there is no file is heeded by who asks (`heed`).

    Args:
        judged: What it says; None if it is no JSON.
    """
    if judged:
        # The rule is our own text; what the vendor says may hold anything.
        judged = replace(judged, breaks=everywhere(judged.breaks[:_LONGEST_SAYS]), notice=_shown(judged.notice))
    export = tx.get(call.export_id)
    said = _sha256(judged.path.encode() if judged and judged.path else call.body)
    verdict = _verdict(tx, export, call, judged, said)
    if verdict is Verdict.REPLAYED:
        return verdict
    is_over = verdict in {Verdict.LATE, Verdict.EXPIRED}
    tx.write(
        insert(callbacks).values(
            export_id=call.export_id,
            attempt=call.attempt,
            at=call.at,
            peer=call.peer,
            said_sha256=said,
            verdict=verdict,
            says=judged.breaks or judged.notice or None if judged else None,
            ends_at=(judged.ends_at if judged else None) or call.forget_at,
            body=None if is_over else tx.vault.seal(call.body.decode("latin-1")),
        )
    )
    if verdict is Verdict.DELIVERED and judged:
        orders.deliver_link(tx, export, call.attempt, judged.link, at=at)
    elif verdict is Verdict.QUARANTINED and export.attempt == call.attempt and export.is_awaited:
        tx.change(export, at=at, error="the vendor called, and its link waits in quarantine")
    return verdict


def heed(tx: Transaction, connection: str, policy: ExportPolicy, *, at: datetime) -> None:
    """Asks again for what the vendor has called without a file: it made none, or its link had ended.

    The process that asks does so, since its waits and ceilings are those of the connection. A receiver knows none.
    """
    forget_ended(tx, at=at)
    present = (callbacks.c.export_id == exports.c.id) & (callbacks.c.attempt == exports.c.attempt)
    none_came = callbacks.c.verdict.in_([Verdict.NOTICE, Verdict.EXPIRED])
    columns = (exports.c.id, callbacks.c.at.label("called_at"), callbacks.c.verdict, callbacks.c.says)
    query = select(*columns).join(callbacks, present)
    for row in tx.rows(query.where(turns.mine(connection), turns.is_awaited(), none_came).order_by(callbacks.c.id)):
        export = tx.get(row["id"])
        said: dict[str, Any] = {"at": at, "last_status": None}
        if not export.is_awaited:  # of an earlier call
            continue
        if row["verdict"] == Verdict.NOTICE:
            says = f"the vendor called and made no file: {row['says'] or 'it says no more'}"
            said |= {"error": says, "failures": export.failures + 1}
            orders.ask_again(tx, export, Reason.FAILED, due_at=policy.ask_failed_at(export, row["called_at"]), **said)
        else:
            said |= {"error": "the link had ended when the vendor called with it", "losses": export.losses + 1}
            orders.ask_again(tx, export, Reason.EXPIRED, due_at=policy.ask_lost_at(export, row["called_at"]), **said)


def newest(tx: Transaction) -> dict[int, Told]:
    """The newest call of each export that had one, by the export's number."""
    is_kept = callbacks.c.body.is_not(None).label("is_kept")
    columns = (callbacks.c.export_id, callbacks.c.at, callbacks.c.verdict, callbacks.c.says, callbacks.c.ends_at)
    return {
        row["export_id"]: Told(row["at"], Verdict(row["verdict"]), row["says"], row["ends_at"], bool(row["is_kept"]))
        for row in tx.rows(select(*columns, is_kept).order_by(callbacks.c.id))
    }


def called_late(tx: Transaction) -> dict[int, int]:
    """The replaced orders that were called for: each with the order under way that holds its window, by number.

    Their files are not fetched. Nothing is lost by it: the newer order asks for the same events and more.
    """
    late = select(exports).where(exports.c.id.in_(select(callbacks.c.export_id).where(_IS_LATE)))
    found: dict[int, int] = {}
    for export in tx.find(late.where(exports.c.state == State.REPLACED)):
        for successor in turns.under_way(tx, export.key, export.window)[:1]:
            found[export.id] = successor.id
    return found


def arrived(ledger: Ledger, connection: str, after: int) -> list[tuple[int, Export, Told]]:
    """The calls for a connection that came after a call, each with its number and the order that it is for."""
    columns = (callbacks, callbacks.c.body.is_not(None).label("is_kept"))
    mine = (exports.c.connection == connection) & (callbacks.c.id > after)
    query = select(*columns).join(exports, exports.c.id == callbacks.c.export_id).where(mine).order_by(callbacks.c.id)
    with ledger.reading() as tx:
        return [
            (
                row["id"],
                tx.get(tx.get(row["export_id"]).root_id),
                Told(row["at"], Verdict(row["verdict"]), row["says"], row["ends_at"], bool(row["is_kept"])),
            )
            for row in tx.rows(query.limit(_MOST_TOLD))
        ]


def kept_back(tx: Transaction, export: Export) -> Call | None:
    """The newest call of an export whose link waits for a person; None if there is none that is still kept.

    It breaks a rule; or it was taken, and the export has stopped over it.
    """
    waits = {Verdict.QUARANTINED, *({Verdict.DELIVERED} if export.state is State.STOPPED else ())}
    kept = (callbacks.c.export_id == export.id) & callbacks.c.body.is_not(None) & callbacks.c.verdict.in_(waits)
    for row in tx.rows(select(callbacks).where(kept).order_by(callbacks.c.id.desc())):
        body = tx.vault.unseal(row["body"])
        if body is not None:
            return Call(export.id, row["attempt"], row["at"], row["peer"], body.encode("latin-1"), row["ends_at"])
    return None


def stop_unreadable(tx: Transaction, export: Export, *, at: datetime) -> bool:
    """Stops an export whose link lives, and can't be decrypted: it is not given up for the sake of a key.

    Returns:
        Whether there is such a link.
    """
    mine = (callbacks.c.export_id == export.id) & (callbacks.c.verdict == Verdict.DELIVERED)
    if not tx.rows(select(callbacks.c.id).where(mine, callbacks.c.body.is_not(None), callbacks.c.ends_at > at)):
        return False
    error = (
        f"{UNREADABLE}, and there is no second link. {SAME_KEY}, then run `journey-pipeline exports --link {export.id} "
        "--quarantined`. If the key is lost, order it again: `journey-pipeline backfill "
        f"{selection(export.key, export.window)} --again`."
    )
    tx.move(export, Edge.STOP, at=at, reason=Reason.REJECTED, due_at=at, error=error, poll_address=None)
    return True


def release(tx: Transaction, kept: Call, judged: Judged, *, at: datetime) -> Verdict:
    """Takes a call from quarantine, whose link is judged anew and breaks no rule any more."""
    waits = (callbacks.c.export_id == kept.export_id) & (callbacks.c.verdict == Verdict.QUARANTINED)
    verdict = take(tx, replace(kept, at=at, peer=BY_HAND), judged, at=at)
    tx.write(update(callbacks).where(waits).values(body=None))
    return verdict


def give(tx: Transaction, export: Export, link: str, judged: Judged, *, at: datetime) -> Verdict:
    """Takes a link that a person has for an export, judged like a call. One that has ended says nothing of it."""
    if judged.ends_at and judged.ends_at <= at:
        return Verdict.EXPIRED
    body = json.dumps(link).encode()
    call = Call(export.id, export.attempt, at, BY_HAND, body, at + _GIVEN_LIFE)
    return take(tx, call, judged, at=at)


def forget_ended(tx: Transaction, *, at: datetime) -> None:
    """Forgets what calls said whose links have ended."""
    tx.write(update(callbacks).where(callbacks.c.body.is_not(None), callbacks.c.ends_at <= at).values(body=None))


def _verdict(tx: Transaction, export: Export, call: Call, judged: Judged | None, said: str) -> Verdict:
    mine = (callbacks.c.export_id == call.export_id) & (callbacks.c.attempt == call.attempt)
    earlier = tx.rows(select(callbacks).where(mine))
    is_another = any(row["verdict"] == Verdict.DELIVERED and row["said_sha256"] != said for row in earlier)
    is_used = is_another and call.peer != BY_HAND  # a person who gives another link knows why
    verdict = _alone(export, call, judged, is_used=is_used)
    if call.peer != BY_HAND and any(_is_repeated(row, said, verdict, judged) for row in earlier):
        return Verdict.REPLAYED
    return verdict


def _is_repeated(row: RowMapping, said: str, verdict: Verdict, judged: Judged | None) -> bool:
    if row["said_sha256"] != said:
        return False
    # A link of the same file that ends later is no repeat: it may be all there is once the first one has ended.
    is_renewed = judged is not None and judged.ends_at is not None and judged.ends_at > row["ends_at"]
    return row["verdict"] == verdict != Verdict.DELIVERED or (row["verdict"] == Verdict.DELIVERED and not is_renewed)


def _alone(export: Export, call: Call, judged: Judged | None, *, is_used: bool) -> Verdict:
    if judged is None:
        return Verdict.UNREADABLE
    if judged.breaks:
        return Verdict.QUARANTINED
    if not judged.link:
        return Verdict.NOTICE
    if is_used:
        return Verdict.ANOTHER
    if export.state in ENDED:
        return Verdict.LATE
    return Verdict.EXPIRED if judged.ends_at and judged.ends_at <= call.at else Verdict.DELIVERED


def _shown(text: str) -> str:
    """A text of the vendor as people may see it, and as any database takes it."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_SAYS])
    return everywhere(_ADDRESS.sub(MASK, printable))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
