"""The units of `deploy/systemd/` are read by systemd, and their commands by the programs that they start."""

from __future__ import annotations

import configparser
import pkgutil
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from journey_pipeline_tests.clients.installed import need

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
# Imported by the test that needs one: the webserver takes longer to import than all else that tests import.
PROGRAMS = {
    "journey-pipeline": "journey_pipeline.cli.commands:cli",
    "dagster-daemon": "dagster._daemon.cli:cli",
    "dagster-webserver": "dagster_webserver.cli:dagster_webserver",
}


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == [f"journey-pipeline-{name}" for name in ("daemon", "receiver", "webserver")]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_reads_each_unit_without_a_complaint(unit: Path, tmp_path: Path) -> None:
    need(shutil.which("systemd-analyze"), "The units are read by systemd-analyze, of Debian's systemd")
    file = tmp_path / unit.name
    file.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()).replace("=journeys", "=root"))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert unit.name not in done.stderr, done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_starts_a_program_with_options_that_it_has(unit: Path) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(unit)
    path, *arguments = shlex.split(parsed["Service"]["ExecStart"])
    command: click.Command = pkgutil.resolve_name(PROGRAMS[Path(path).name])
    if isinstance(command, click.Group):
        name, *arguments = arguments
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    command.make_context(Path(path).name, arguments)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_is_confined_and_writes_to_the_home_alone(unit: Path) -> None:
    parsed = configparser.ConfigParser(interpolation=None)
    parsed.read(unit)
    service = parsed["Service"]
    assert (service["User"], service["ProtectSystem"]) == ("journeys", "strict")
    assert service["ReadWritePaths"] == "/var/lib/journey_pipeline"
    assert service["EnvironmentFile"].startswith("/etc/journey_pipeline/")
