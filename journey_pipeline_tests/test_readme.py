"""Every command of the README and the pages it names runs, as it is written there, in a clone of the project.

Not here: the demo and the queries after it (`cli/test_demo.py`), the UI (`cli/test_dev.py`).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from cryptography.fernet import Fernet

from journey_pipeline.cli.commands import cli
from journey_pipeline.components.deployment import load_deployment
from journey_pipeline.loading.checks import CLAIMS, NAMED_CLAIMS
from journey_pipeline.model import Granularity, floor
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import CLOCK_OFFSET_VARIABLE
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer, Request
from journey_pipeline_tests.pages import LINES, NOT_RUN, PAGES, README, ROOT, lines_with, make_clone, run
from journey_pipeline_tests.projects import NOW, make_project

START = floor(NOW, Granularity.HOUR) - timedelta(hours=6)  # each hour since then goes through Dagster

pytestmark = pytest.mark.xdist_group("readme")
STARTS = pytest.mark.slow(reason="starts processes as a newcomer does")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_clone(tmp_path_factory.mktemp("readme") / "journey_pipeline")
    file = folder / "journey_pipeline/defs/sfmc/defs.yaml"
    file.write_text(re.sub(r'start: ".*"', f'start: "{START:%Y-%m-%d-%H}:00"', file.read_text()))
    return folder


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with serve(World(rows_per_hour=60, contacts=100), clock=SandboxClock(NOW)) as running:
        yield running


TESTED = (
    "make demo",
    "make dev",
    "make test",
    "make check",
    "query",
    "doctor",
    "backfill",
    "status",
    "pip",
    "dg",
    ".env",
    "openssl",
)


def test_no_command_of_the_pages_is_left_untested() -> None:
    assert [line for line in LINES if not any(words in line for words in TESTED)] == []


def test_the_demo_loads_as_many_hours_as_the_page_says() -> None:
    (hours,) = [option.default for option in cli.commands["demo"].params if option.name == "hours"]
    assert f"the last {hours} hours" in " ".join(README.split())


@STARTS
def test_the_commands_for_a_real_account(clone: Path, sandbox: Sandbox) -> None:
    (clone / ".env").write_text("".join(f"{name}={value}\n" for name, value in sandbox.environment().items()))
    script = "\n".join(lines_with("doctor", "backfill", "journey-pipeline status"))
    present = {CLOCK_OFFSET_VARIABLE: str((NOW - datetime.now(UTC)).total_seconds())}
    done = run(script, clone, SFMC_REQUESTS_PER_SECOND="500", **present)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "data/journeys.duckdb").exists()


def test_to_run_the_project_no_tool_of_development_is_installed(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for target in ("venv", "demo", "dev"):
        asked = run(f"make --dry-run {target}", tmp_path).stdout
        assert asked.count("pip install") == 1
        assert "[dev]" not in asked
    asked = run("make --dry-run test", tmp_path).stdout
    assert "-e '.[dev]'" in asked


def test_make_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    listed = [line.split()[0] for line in run("make help", ROOT).stdout.splitlines()]
    assert sorted(listed) == sorted(phony.split())


@pytest.mark.parametrize("target", ["make test", "make check"])
def test_the_targets_that_run_these_tests_exist(clone: Path, target: str) -> None:
    (line,) = [line for line in LINES if line == target]
    done = run(f"{line} --dry-run", clone)
    assert done.returncode == 0, done.stderr
    assert "pytest" in done.stdout


@STARTS
def test_a_connection_is_scaffolded_in_another_project(dg_server: CommandServer, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "shop"\n'
    )
    (tmp_path / "shop/defs").mkdir(parents=True)
    (tmp_path / "shop/__init__.py").touch()
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    first, *others = lines_with("dg scaffold")
    done = run(first, tmp_path, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in others:
        ended = dg_server.run(Request(shlex.split(line)[1:], environment | {"HOME": str(tmp_path)}, tmp_path))
        assert ended.code == 0, ended.out + ended.err
    assert "journey_pipeline.components.SfmcJourneyHistory" in (tmp_path / "shop/defs/sfmc/defs.yaml").read_text()


def test_the_commands_that_make_the_environment_of_a_deployment(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".env.example", tmp_path)
    done = run("\n".join(lines_with(".env", "openssl")), tmp_path)
    assert done.returncode == 0, done.stderr
    password, key = done.stdout.split()
    assert quote(password, safe="") == password
    assert Fernet(key)
    assert stat.filemode((tmp_path / ".env").stat().st_mode) == "-rw-------"


def test_what_is_not_run_is_a_script_over_files_and_services_that_exist() -> None:
    assert NOT_RUN
    script = "\n".join(line.strip() for block in NOT_RUN for line in block)
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = re.findall(r"(?<![\w/])(?:/opt/journey_pipeline/)?((?:deploy|journey_pipeline)/[\w./*-]+)", script)
    assert len(named) > 5
    assert [name for name in named if not list(ROOT.glob(name))] == []
    services = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
    assert set(re.findall(r"compose.yaml exec (\w+)", script)) <= set(services)
    units = {path.stem for path in (ROOT / "deploy/systemd").glob("*.service")}
    assert set(re.findall(r"(?<!/)\bjourney-pipeline-(?:webserver|daemon|receiver)\b(?!:)", script)) == units
    ours = re.findall(r"(?:code|--) journey-pipeline (\w+)", script)
    assert ours
    assert set(ours) <= set(cli.commands)


def test_the_pages_install_from_a_checkout_of_this_project() -> None:
    (line,) = lines_with("pip install")
    checkout = Path(line.split()[-1]).name
    assert (ROOT / checkout / "__init__.py").exists()
    assert f'name = "{checkout.replace("_", "-")}"' in (ROOT / "pyproject.toml").read_text()


@STARTS
def test_the_commands_of_the_operations_page(sandbox: Sandbox, command_server: CommandServer, tmp_path: Path) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    lines = dict.fromkeys(re.findall(r"^journey-pipeline (.*)$", blocks, re.MULTILINE))
    assert len(lines) > 5
    terminal = Terminal(command_server, sandbox, make_project(tmp_path, "sfmc", start=START))
    for line in sorted(lines, key=lambda line: line.startswith("query ")):  # first what loads
        done = terminal(*shlex.split(line))
        assert done.code == 0, done.err
    assert terminal.status()[0] == 0


def test_every_schedule_and_check_has_its_line_on_the_operations_page_or_its_vendors() -> None:
    pages = "".join(path.read_text() for path in (ROOT / "docs/operations.md", *(ROOT / "docs/vendors").glob("*.md")))
    deployment = load_deployment(ROOT)
    definitions = deployment.definitions
    names = [each.name for each in (*(definitions.schedules or ()), *(definitions.sensors or ()))]
    names += [
        *CLAIMS,
        *NAMED_CLAIMS,
        *{key.name for check in definitions.asset_checks or () for key in check.check_keys},
    ]
    for key in [assets.stream.key for assets in deployment.streams()]:
        general = {
            f"{key.connection}__{key.stream}_": "<connection>__<stream>_",
            f"{key.connection}_l": "<connection>_l",
        }
        for own, any_ in general.items():
            names = [name if f"`{name}`" in pages else name.replace(own, any_) for name in names]
    assert [name for name in names if f"`{name}`" not in pages] == []


VENDORS = re.findall(r"\(docs/vendors/(\w+)\.md\)", README)
STEPS = PAGES["docs/adding-a-vendor.md"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_vendor_has_what_the_steps_to_add_one_ask_for(vendor: str) -> None:
    named = re.findall(r"`([\w./<>]+[./][\w./<>]*)`", STEPS)
    streams = [path.parent.name for path in (ROOT / f"journey_pipeline/vendors/{vendor}").glob("*/stream.py")]
    of_vendor = [name.replace("<vendor>", vendor) for name in named if "/" in name]
    places = [name.replace("<stream>", stream) for name in of_vendor for stream in streams]
    roots = ROOT, ROOT / "journey_pipeline", ROOT / "journey_pipeline_tests"
    assert len([name for name in named if "<vendor>" in name]) >= 5
    assert streams
    assert [place for place in places if not any((root / place).exists() for root in roots)] == []
    assert list((ROOT / "journey_pipeline_tests/golden").glob(f"{vendor}_*"))
    declared = [path.read_text() for path in (ROOT / "journey_pipeline_tests/contract").glob("*.py")]
    assert any(f'"{vendor}"' in text for text in declared)
    component = (ROOT / f"journey_pipeline/components/{vendor}.py").read_text()
    (name,) = re.findall(r"^class (\w+)\(\w+, ConnectionComponent\)", component, re.MULTILINE)
    for listed in ("components", "connections"):
        assert name in (ROOT / f"journey_pipeline/{listed}/__init__.py").read_text()


def test_every_command_has_its_line_in_the_table_of_commands() -> None:
    table = (ROOT / "docs/getting-started.md").read_text()
    listed = re.findall(r"^\| `([a-z]+)", table, re.MULTILINE)
    assert sorted(listed) == sorted(cli.commands)


def test_every_link_of_a_page_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([\w./-]+)\)", page.read_text())]
    assert len(links) > len(pages)
    assert [
        str(page.relative_to(ROOT)) + ": " + link for page, link in links if not (page.parent / link).exists()
    ] == []


def test_every_link_inside_a_page_leads_to_a_heading() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        text = page.read_text()
        titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert [link for link in re.findall(r"\]\(#([^)]+)\)", text) if link not in anchors] == [], page.name


def test_the_operations_page_lists_each_of_its_entries() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    entries = page[page.index("\n## What to do when") : page.index("\n## Settings")]
    listed = re.findall(r"^  - \[(.*)\]\(#", entries, re.MULTILINE)
    told = re.findall(r"^### (.*)", entries, re.MULTILINE)
    assert sorted(listed) == sorted(told) != []


def test_every_module_that_a_page_names_is_there() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in pages for name in re.findall(r"`([\w/]+/\w+\.(?:py|sql|yaml))`", page.read_text())}
    assert len(named) > 5
    assert [
        name for name in named if not any((place / name).exists() for place in (ROOT, ROOT / "journey_pipeline"))
    ] == []
