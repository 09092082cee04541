"""What a refusal means, whatever it looks like: the vendor's envelope is unpublished.

Not here: the requests (`client.py`), what is read of an order's answer (`orders.py`).
"""

from __future__ import annotations

import json

from journey_pipeline.formats.plain_json import read_json

_ADVICE = {
    400: "the order is wrong: compare sections, attributes, tags and event types in defs.yaml with the account's",
    401: "check <CONNECTION>_CLIENT_ID and <CONNECTION>_CLIENT_SECRET",
    403: "check what the API key may do in APSIS One",
    404: "check <CONNECTION>_URL, and the discriminators in defs.yaml",
    413: "the account has too many sections for one export: name those that are needed under `sections` in defs.yaml",
    415: "the vendor takes no such body any more; please report it",
    422: "the order is wrong: compare sections, attributes, tags and event types in defs.yaml with the account's",
}


def explain(status: int, body: bytes) -> str:
    """What a refusal means and what to do: JSON with `message`, `errors` or `code`, or anything else."""
    said = _said(body)
    return "; ".join(part for part in (f"the vendor says: {said}" if said else "", _ADVICE.get(status, "")) if part)


def _said(body: bytes) -> str:
    try:
        answer = read_json(body)
    except ValueError:
        return ""
    if not isinstance(answer, dict):
        return ""
    found = [answer[name] for name in ("message", "errors", "error_description", "error") if answer.get(name)]
    text = found[0] if found and isinstance(found[0], str) else json.dumps(found[0]) if found else ""
    code = answer.get("code")
    return f"{text} (code {code})" if text and code else text
