"""Whatever surrounds a command, it ends with its work done or with a sentence that names the file and what to do."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from journey_pipeline.components.instance import open_instance
from journey_pipeline.errors import HistoryError
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline_tests.bad_input.small_disk import fill, read_only
from journey_pipeline_tests.cli.terminal import Terminal
from journey_pipeline_tests.crash.commands import CommandServer, Ended, FreshInterpreter
from journey_pipeline_tests.projects import NOW

pytestmark = pytest.mark.slow(reason="a terminal, and new interpreters")

DAY = NOW - timedelta(days=2)
LOAD = ("backfill", "sfmc", "--from", f"{DAY:%Y-%m-%d}T05", "--to", f"{DAY:%Y-%m-%d}T06")
WITHOUT_HISTORY = [("sync",), ("query", "select 1"), ("publish",)]
MB = 1 << 20


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, command_server: CommandServer) -> Iterator[Terminal]:
    """An hour, loaded once."""
    with serve(World(rows_per_hour=100, contacts=20, steady=True), clock=SandboxClock(NOW)) as sandbox:
        terminal = Terminal.at(tmp_path_factory.mktemp("loaded"), command_server, sandbox, "sfmc", "layerfive")
        done = terminal(*LOAD)
        assert done.code == 0, done.err
        yield terminal


@pytest.fixture
def terminal(loaded: Terminal, tmp_path: Path) -> Terminal:
    """A home of its own, with the hour in it."""
    return loaded.with_copy(tmp_path / "home")


def one_sentence(ended: Ended, *parts: str, code: int = 1) -> None:
    assert ended.code == code, ended.err
    (line,) = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    for part in parts:
        assert part in line


def damaged(dagster: Path) -> AbstractContextManager[None]:
    for file in dagster.rglob("*.db"):
        file.write_bytes(b"this is no database")
    return nullcontext()


def without_configuration(dagster: Path) -> AbstractContextManager[None]:
    (dagster / "dagster.yaml").write_text(": [")
    return nullcontext()


@pytest.mark.parametrize("ruin", [damaged, without_configuration, read_only])
def test_what_needs_no_history_works_without_it_and_a_load_names_it(
    terminal: Terminal, ruin: Callable[[Path], AbstractContextManager[None]]
) -> None:
    dagster = terminal.home / "dagster"
    with ruin(dagster):
        one_sentence(terminal(*LOAD, "--again"), str(dagster), "write there")
        for command in WITHOUT_HISTORY:
            ended = terminal(*command)
            assert ended.code == 0, ended.err
        assert terminal("status").code == 1  # of what is missing
    shutil.rmtree(dagster)
    assert terminal(*LOAD).code == 0


@pytest.mark.parametrize("room", [0, 2 * MB])
def test_a_full_disk_is_named_by_each_command_and_leaves_no_half_file(
    terminal: Terminal, disk: Path, room: int
) -> None:
    home = disk / "home"
    shutil.copytree(terminal.home, home)
    terminal.changes["JOURNEY_PIPELINE_HOME"] = str(home)
    filler = fill(disk, room)
    for command in ((*LOAD, "--again"), ("rebuild",), ("sync",), ("publish",)):
        ended = terminal(*command)
        assert ended.code in {0, 1}
        if ended.code:
            assert re.search(rf"{home}\S* is full", ended.err), ended.err
        assert [path for path in home.rglob("*") if "rebuilding" in path.name] == []
        assert list(home.rglob("*.tmp")) == []
    assert terminal("query", "select count(*) from core.journey_events").code == 0
    assert "is damaged" not in terminal("status").err
    filler.unlink()
    healed = terminal(*LOAD, "--again")
    assert healed.code == 0, healed.err


@pytest.mark.parametrize("name", ["wh?at", "a*b", "a[b]"])
def test_a_home_that_databases_read_otherwise_is_refused(terminal: Terminal, tmp_path: Path, name: str) -> None:
    terminal.changes["JOURNEY_PIPELINE_HOME"] = str(tmp_path / name)
    one_sentence(terminal("status"), str(tmp_path / name), "Rename the folder", code=2)
    assert not (tmp_path / name).exists()


def test_a_byte_that_is_no_utf_8_in_the_environment_file_is_named_by_its_line(terminal: Terminal) -> None:
    file = terminal.folder / ".env"
    file.write_bytes(b"# caf\xc3\xa9\nSFMC_CLIENT_ID=\xff\n")
    try:
        one_sentence(terminal("status"), str(file), "line 2", "Save the file as UTF-8", code=2)
    finally:
        file.unlink()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_lacks_a_letter_loses_no_answer(terminal: Terminal, encoding: str) -> None:
    terminal.server = FreshInterpreter()
    terminal.changes["PYTHONIOENCODING"] = encoding
    ask = ("query", "select 'Łódź' as town")
    table = terminal(*ask)
    assert (table.code, "?" in table.out) == (0, True)
    assert json.loads(terminal(*ask, "--format", "json").out) == {"town": "Łódź"}
    one_sentence(terminal(*ask, "--format", "csv"), encoding, "PYTHONIOENCODING=utf-8", code=2)
    assert terminal("status").code == 1


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ASK = ("query", "select 'Łódź' as town", "--format", "json")


def test_a_locale_without_letters_answers_as_any_other_and_names_the_argument_that_it_cannot_read(
    terminal: Terminal,
) -> None:
    terminal.server = FreshInterpreter()
    terminal.changes |= ASCII
    assert terminal("status").code == 1
    one_sentence(terminal(*ASK), "LC_ALL=C.UTF-8", code=2)
    asked = terminal("query", "select chr(321) || 'odz' as town", "--format", "json")
    assert json.loads(asked.out) == {"town": "Łodz"}


def test_a_home_that_the_locale_cannot_spell_is_refused_and_used_once_it_can(
    terminal: Terminal, tmp_path: Path
) -> None:
    home = tmp_path / "Łódź"
    shutil.copytree(terminal.home, home)
    terminal.server = FreshInterpreter()
    terminal.changes |= ASCII | {"JOURNEY_PIPELINE_HOME": str(home)}
    one_sentence(terminal("status"), "JOURNEY_PIPELINE_HOME", "LC_ALL=C.UTF-8", code=2)
    terminal.changes["LC_ALL"] = "C.UTF-8"
    assert json.loads(terminal(*ASK).out) == {"town": "Łódź"}


WITHOUT_TEMPORARY_FOLDERS = "import tempfile\ntempfile._candidate_tempdir_list = list\n"


def test_a_machine_without_a_folder_for_temporary_files_is_told_of_by_the_one_check_that_needs_one(
    terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_TEMPORARY_FOLDERS)
    terminal.server = FreshInterpreter()
    terminal.changes |= {"PYTHONPATH": str(tmp_path), "COLUMNS": "1000"}
    told = terminal("doctor")
    assert told.code == 1
    (line,) = [line for line in told.out.splitlines() if " fails " in line]
    assert line.lstrip().startswith("layerfive")
    assert "Set TMPDIR" in line


def test_a_history_that_is_gone_while_it_is_open_is_named_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("JOURNEY_PIPELINE_HOME", str(tmp_path / "home"))
    with pytest.raises(HistoryError, match=r"home/dagster is missing"):
        _lose_history(tmp_path / "home")


def _lose_history(home: Path) -> None:
    with open_instance() as instance:
        shutil.rmtree(home)
        instance.get_runs()
