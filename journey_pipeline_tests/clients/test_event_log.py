"""Process-mining and path tools take `marts.event_log` as it is, and find the moves that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from journey_pipeline_tests.clients.installed import ask, installed, versions_of
from journey_pipeline_tests.warehouse.made_lake import rows_of

pytestmark = [pytest.mark.xdist_group("clients"), pytest.mark.slow(reason="a home of all vendors is loaded")]

LOG = """
select concat(connection, '/', case_id) as case_id, activity, timestamp
from marts.event_log
order by connection, case_id, position
"""
MOVES = """
select before, activity, count(*)
from (
    select lag(activity) over (partition by connection, case_id order by position) as before, activity
    from marts.event_log
)
where before is not null
group by all
order by all
"""
TOOLS = [(name, version) for name in ("pm4py", "retentioneering") for version in versions_of(name)]


@pytest.mark.parametrize(("tool", "version"), TOOLS)
def test_a_tool_finds_the_moves_of_the_event_log(home: Path, tool: str, version: str) -> None:
    file = home / "journeys.duckdb"
    found: dict[str, Any] = ask(f"ask_{tool}.py", {"file": str(file), "sql": LOG}, installed(tool, version))
    assert found["version"] == version
    moves = [list(row) for row in rows_of(file, MOVES)]
    assert len(moves) > 10
    assert sorted(found["moves"]) == moves
