"""Reads the answers whose exact shape the vendor does not publish: estimate, freshness, error envelope.

Tolerant where the contract is silent, strict where a guess could lose data. Not here: the requests (`client.py`).
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from journey_pipeline.errors import ContractError
from journey_pipeline.formats.plain_json import read_json
from journey_pipeline.vendors.source import Estimate

_MOST = 10**15  # rows or bytes; beyond it a number is a mistake
_LONGEST_LAG = timedelta(days=365)  # history lives 30 days (documented)


def read_estimate(answer: Any) -> Estimate:
    """Row count and sizes of an estimate.

    `rowCount` is observed in public code. The names of the two sizes are unpublished: whatever integers are named
    after a size or bytes are taken, the smaller one as compressed.

    Raises:
        ContractError: If there is no row count.
    """
    numbers = _numbers(answer)
    rows = next((value for name, value in numbers.items() if name.lower() == "rowcount"), None)
    if rows is None or not 0 <= rows <= _MOST:
        raise ContractError(
            f"the estimate has no row count: its fields are {_names(answer)}. The vendor's answer has changed; "
            "please report it with these names."
        )
    named = [value for name, value in numbers.items() if "size" in name.lower() or "bytes" in name.lower()]
    sizes = sorted(int(value) for value in named if 0 <= value <= _MOST)
    return Estimate(
        rows=int(rows),
        raw_bytes=sizes[-1] if sizes else None,
        compressed_bytes=sizes[0] if sizes else None,
        answer=answer,
    )


def read_freshness(answer: Any) -> timedelta:
    """How far the history trails reality.

    The route is documented, its JSON is not: a bare number or numeric text, or an object with a number named after
    freshness, seconds or lag, or with one number only.

    Raises:
        ContractError: If no number can be told.
    """
    if isinstance(answer, dict):
        numbers = _numbers(answer)
        named = [
            n for n in numbers if n.lower().startswith("freshness") or "seconds" in n.lower() or "lag" in n.lower()
        ]
        chosen = named[:1] or (list(numbers) if len(numbers) == 1 else [])
        seconds = numbers[chosen[0]] if chosen else None
    else:
        seconds = _number(answer)
    if seconds is None or not 0 <= seconds <= _LONGEST_LAG.total_seconds():
        raise ContractError(
            f"the freshness answer has no number of seconds: its fields are {_names(answer)}. The vendor's answer has "
            "changed; please report it with these names."
        )
    return timedelta(seconds=seconds)


def explain(status: int, body: bytes) -> str:
    """What a refusal means and what to do, by status and error envelope (contract of the vendor, section 7)."""
    message, code = _envelope(body)
    said = f"the vendor says: {message}" if message else ""
    told = f" (errorcode {code})" if code else ""
    advice = {
        400: "the request is wrong: check filters and columns in defs.yaml",
        401: "check <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET",
        403: "grant the installed package the scopes journeys_read and list_and_subscribers_read",
        404: "check <CONNECTION>_REST_URL, and that journey history is enabled for the account",
    }.get(status, "")
    return "; ".join(part for part in (said + told if said else "", advice) if part)


def _envelope(body: bytes) -> tuple[str, str]:
    try:
        answer = read_json(body)
    except ValueError:
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    message = answer.get("message") or answer.get("error_description") or answer.get("error") or ""
    return str(message), str(answer.get("errorcode") or "")


def _numbers(answer: Any) -> dict[str, float]:
    if not isinstance(answer, dict):
        return {}
    read = {name: _number(value) for name, value in answer.items()}
    return {name: value for name, value in read.items() if value is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _names(answer: Any) -> str:
    return ", ".join(sorted(answer)) if isinstance(answer, dict) and answer else f"none (a {type(answer).__name__})"
