"""What a person reads of a step that failed."""

from __future__ import annotations

from traceback import TracebackException

import dagster as dg
import pytest
from dagster_shared.error import SerializableErrorInfo

from journey_pipeline.components.runs import sentence_of, was_stopped
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


@pytest.mark.parametrize(
    ("error", "stopped"),
    [
        (dg.DagsterExecutionInterruptedError(), True),
        (KeyboardInterrupt(), True),
        (RuntimeError("Query interrupted"), True),  # as DuckDB says it
        (TransientVendorError(DOWN), False),
    ],
)
def test_a_step_that_a_signal_ended_is_told_apart_from_one_that_failed(error: BaseException, *, stopped: bool) -> None:
    outer = RuntimeError("a step failed")
    outer.__cause__ = error
    assert was_stopped(SerializableErrorInfo.from_traceback(TracebackException.from_exception(outer))) is stopped
