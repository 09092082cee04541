"""How far a vendor's history trails is a check, and what its estimates tell of a window's bounds is in `doctor`."""

from __future__ import annotations

from typing import Any

import pytest

from journey_pipeline.components.deployment import Deployment
from journey_pipeline.components.runs import Runner
from journey_pipeline.components.standing_checks import FRESHNESS
from journey_pipeline.sandbox.sandbox import Sandbox


@pytest.mark.parametrize(
    ("options", "passed", "says"),
    [
        ({"freshness_s": 1200}, True, "trails by 0:20:00;"),
        ({"freshness_s": 7 * 3600}, False, "trails by 7:00:00, which is unusually far"),
        ({"freshness_status": 404}, False, "can't say how far it trails (404), so 2:00:00 is taken"),
        ({"client_secret": "another"}, False, "could not be asked how far its history trails"),
    ],
)
def test_a_history_that_trails_unusually_far_is_a_warning(
    runner: Runner, sandbox: Sandbox, options: dict[str, Any], passed: bool, says: str
) -> None:
    for name, value in options.items():
        setattr(sandbox.options.sfmc, name, value)
    job = runner.deployment.definitions.resolve_job_def("sfmc__journey_history_freshness")
    done = job.execute_in_process(instance=runner.instance)
    (told,) = done.get_asset_check_evaluations()
    assert (told.check_name, told.passed) == (FRESHNESS.name, passed)
    assert says in (told.description or "")


def test_doctor_shows_an_estimate_as_it_came_and_compares_an_hour_with_its_halves(
    deployment: Deployment, runner: Runner, sandbox: Sandbox
) -> None:
    assert runner.instance
    told = deployment.connection("sfmc").check()
    assert '"rowCount"' in told["estimate"]
    assert "an hour has" in told["bounds"]
    assert "report" not in told["bounds"]
    assert sandbox.calls.count("download") == 0
