"""What a person reads of a step that failed."""

from __future__ import annotations

from traceback import TracebackException

import dagster as dg
import pytest
from dagster_shared.error import SerializableErrorInfo

from journey_pipeline.components.runs import sentence_of
from journey_pipeline.errors import TransientVendorError

DOWN = "GET https://vendor.example/journeys failed: 503; try again later."


def said(error: BaseException, cause: BaseException | None) -> str:
    raised = error
    error.__cause__ = cause
    if isinstance(error, Exception):  # Dagster wraps what a step raises
        raised = RuntimeError("a step failed")
        raised.__cause__ = error
    return sentence_of(SerializableErrorInfo.from_traceback(TracebackException.from_exception(raised)))


@pytest.mark.parametrize(
    ("error", "cause", "says"),
    [
        (TransientVendorError(DOWN), None, DOWN),
        (TransientVendorError(DOWN), ConnectionError("refused"), DOWN),
        (KeyError("name"), None, "KeyError: 'name'"),
        (dg.DagsterExecutionInterruptedError(), None, "stopped; run the command again, what has landed stays"),
    ],
)
def test_a_failed_step_says_a_sentence_without_the_class_of_our_errors(
    error: BaseException, cause: BaseException | None, says: str
) -> None:
    assert said(error, cause) == says
