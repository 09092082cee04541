"""Connections that are read without Dagster are those that Dagster reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import journey_pipeline
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.connections import SETTINGS
from journey_pipeline.connections.connection import Connection
from journey_pipeline.connections.project import read_connections
from journey_pipeline.errors import ConfigError
from journey_pipeline_tests.projects import make_project

SHIPPED = Path(journey_pipeline.__file__).parent / "defs"
OURS = "journey_pipeline.components.SfmcJourneyHistory"
SFMC = "type: " + OURS + "\nattributes:\n  connection: {name}\n  start: {start}\n"


def shown(connections: Sequence[Connection]) -> list[tuple[str, dict[str, object]]]:
    return [(one.vendor, one.model_dump(exclude={"translation"})) for one in connections]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A project of this test's own, with a connection for each name; a process loads each under another name."""

    def made(*connections: str) -> Path:
        monkeypatch.syspath_prepend(tmp_path)
        make_project(tmp_path, *connections, package=tmp_path.name)
        return tmp_path / tmp_path.name / "defs"

    return made


def test_this_package_s_own_connections_are_equal(tmp_path: Path) -> None:
    found = read_connections(tmp_path)
    assert found is not None
    assert shown(found) == shown(load_deployment(tmp_path).connections)
    assert {one.vendor for one in found} == {settings.partition(".")[0] for settings in SETTINGS.values()}
    assert len(found) == len(list(SHIPPED.glob("*/defs.yaml"))) - 3


def test_a_project_s_connections_are_equal(
    project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    defs = project("sfmc", "sfmc_two", "apsis", "insider", "layerfive")
    monkeypatch.setenv("SHOP_START", "2026-11-01-05:00")
    nested = defs / "north/sweden"
    nested.mkdir(parents=True)
    (nested / "defs.yaml").write_text(
        SFMC.format(name="sfmc_nested", start='"{{ env.SHOP_START }}"')
        + "  requests_per_second: 2\n  columns: lean\n  schedules: stopped\n  owners: [team:data]\n"
        + "  tolerance: {rows: 7, rows_share: 0.5}\n  filters:\n    statuses: [Failed, no]\n".replace(
            "no]", "Complete]"
        )
    )
    (defs / "layerfive/defs.yaml").write_text(
        "type: journey_pipeline.components.LayerFiveCustomerJourneys\nattributes:\n  start: 2026-11-01-00:00\n"
        "  fields: {occurred_at: hit.time, contact_id: person.key}\n  volatile: [seen]\n  auth_scheme: ''\n"
    )
    (defs / "notes.md").write_text("nothing to Dagster")
    found = read_connections(defs)
    assert found is not None
    assert shown(found) == shown(load_deployment(tmp_path).connections)
    names = ["apsis", "insider", "layerfive", "sfmc_nested", "sfmc", "sfmc_two"]
    assert [one.connection for one in found] == names
    assert found[3].start == "2026-11-01-05:00"


ELSEWHERE = """
import dagster as dg
from journey_pipeline.components import SfmcJourneyHistory

class Ours(SfmcJourneyHistory):
    requests_per_second: float = 3
"""
IN_PYTHON = """
import dagster as dg
from journey_pipeline.components import SfmcJourneyHistory

@dg.component_instance
def made(context) -> SfmcJourneyHistory:
    return SfmcJourneyHistory(connection="in_python", start="2026-11-01-00:00")
"""
PLAIN = SFMC.format(name="other", start='"2026-11-01-00:00"')


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("other/defs.yaml", PLAIN + "  translation: {group_name: ours}\n", "other"),
        ("other/defs.yaml", PLAIN + '  columns: \'{{ "le" + "an" }}\'\n', "other"),
        ("other/defs.yaml", PLAIN + '  owners: [\'{{ env("SHOP_OWNER", "team:data") }}\']\n', "other"),
        ("other/defs.yaml", PLAIN + "post_processing: {assets: [{attributes: {tags: {a: b}}}]}\n", "other"),
        ("other/defs.yaml", PLAIN + "---\n" + PLAIN.replace("other", "second"), "second"),
        ("other/defs.yml", PLAIN, "other"),
        ("other/made.py", IN_PYTHON, "in_python"),
        ("__init__.py", IN_PYTHON, "in_python"),
        (
            "other/defs.yaml",
            PLAIN.replace(OURS, "{package}.ours.Ours"),
            "other",
        ),
    ],
    ids=[
        "translation",
        "template",
        "default of a variable",
        "post processing",
        "two documents",
        "other suffix",
        "Python file",
        "Python package",
        "Component of the project's own",
    ],
)
def test_what_is_not_plain_is_left_to_dagster(
    project: Callable[..., Path], tmp_path: Path, file: str, text: str, name: str
) -> None:
    defs = project("sfmc")
    (tmp_path / tmp_path.name / "ours.py").write_text(ELSEWHERE)
    (defs / file).parent.mkdir(exist_ok=True)
    (defs / file).write_text(text.replace("{package}", tmp_path.name))
    assert read_connections(tmp_path) is None
    assert name in [one.connection for one in load_deployment(tmp_path).connections]


@pytest.mark.parametrize(
    "wrong",
    [
        "  translaton: 1\n",
        "  requests_per_second: fast\n",
        " x: : 1\n",
        "  owners: ['{{ env.NOT_SET }}']\n",
        "more: 1\n",
    ],
)
def test_a_mistake_is_left_to_dagster(project: Callable[..., Path], wrong: str) -> None:
    defs = project("sfmc")
    with (defs / "sfmc/defs.yaml").open("a") as file:
        file.write(wrong)
    assert read_connections(defs) is None
    with pytest.raises(ConfigError, match="the configuration can't be loaded"):
        _ = load_deployment(defs).connections
