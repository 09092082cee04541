"""The receiver as OpenAPI describes it, called with all that schemathesis makes of the description.

Beside the bytes of `test_receiver_connections.py` these are requests of a client that almost keeps to the rules.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from journey_pipeline_tests.examples import examples
from journey_pipeline_tests.receiver.conftest import Running

pytestmark = pytest.mark.slow(reason="schemathesis is imported, which takes seconds")

ANSWER = {"description": "At most a line.", "content": {"application/json": {"schema": {"type": "object"}}}}
CALL = {
    "parameters": [
        {"name": "nonce", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "X-Forwarded-For", "in": "header", "schema": {"type": "string"}},
    ],
    "requestBody": {
        "content": {
            "application/json": {"schema": {"type": "object", "properties": {"url": {"type": "string"}}}},
            "text/plain": {"schema": {"type": "string"}},
        }
    },
    "responses": {"default": ANSWER},
}
DESCRIPTION: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Receiver", "version": "1"},
    "paths": {
        "/health": {"get": {"responses": {"200": ANSWER}}},
        "/hooks/{nonce}": {"post": CALL, "put": CALL},
        "/{nonce}": {"post": CALL},
    },
}


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, of in DESCRIPTION["paths"].items() for method in of]
)
def test_whatever_a_client_makes_of_the_description_gets_a_line_at_most_and_no_error_of_ours(
    path: str, method: str, running: Running
) -> None:
    import schemathesis  # noqa: PLC0415 - it takes half a second of each process that only collects tests

    hook = running.ask().hook
    operation = schemathesis.openapi.from_dict(DESCRIPTION)[path][method]

    @given(operation.as_strategy())
    @settings(max_examples=examples(10))
    def check(case: Any) -> None:
        if path.startswith("/hooks/"):  # one that there is; the others name none
            case.path_parameters = {"nonce": hook}
        answer = case.call(base_url=f"http://127.0.0.1:{running.port}")
        assert answer.status_code < 500
        assert answer.status_code != 404 or path == "/{nonce}"
        assert len(answer.content.splitlines()) <= 1
        assert len(answer.content) <= 200

    check()
