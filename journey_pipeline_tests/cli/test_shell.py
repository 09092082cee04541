"""`shell` and `completion`: a prompt on the published file, and what a shell completes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from journey_pipeline.cli.commands import cli
from journey_pipeline_tests.projects import make_project

PROGRAM = Path(sys.executable).parent / "journey-pipeline"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two connections, and a home with a published file of one table."""
    folder = make_project(tmp_path_factory.mktemp("project"), "sfmc", "apsis_nordic")
    (folder / "home").mkdir()
    with duckdb.connect(folder / "home/journeys.duckdb") as session:
        session.execute("create schema core; create table core.journey_events as select 'enter' as action")
    return folder


def ended(folder: Path, *arguments: str, given: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "JOURNEY_PIPELINE_HOME": str(folder / "home"),
        "PYTHONPATH": str(folder),
        **changes,
    }
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False
    )


def test_the_prompt_answers_each_statement_and_goes_on_after_a_mistake(folder: Path) -> None:
    given = (
        "select action\nfrom core.journey_events;\nfrom core.journey_event;\ncreate table core.mine (a int);\nselect 7"
    )
    done = ended(folder, "shell", given=given)
    assert done.returncode == 0, done.stderr
    assert [line.strip() for line in done.stdout.splitlines() if line.strip(" ─")] == ["action", "enter", "7", "7"]
    first, second = done.stderr.splitlines()
    assert 'Did you mean "journey_events"?' in first
    assert "the published file is read-only" in second


@pytest.mark.parametrize("word", ["exit", "quit;", ".quit", "\\q", ".exit "])
def test_the_prompt_ends_with_the_words_of_other_prompts(folder: Path, word: str) -> None:
    done = ended(folder, "shell", given=f"\n{word}\nselect 7;\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_prompt_names_the_tables_and_says_its_words_to_who_types_others(folder: Path) -> None:
    done = ended(folder, "shell", given=".tables\nhelp\n.mode csv\nselect\n7 as n;")
    shown = [line.split() for line in done.stdout.splitlines() if line.strip(" ─")]
    assert shown == [["schema", "name"], ["core", "journey_events"], ["n"], ["7"]]
    assert done.stderr.count("`.tables` names the tables, `exit` or Ctrl-D ends.") == 2


def test_the_prompt_is_duckdbs_own_where_it_is_installed(folder: Path, tmp_path: Path) -> None:
    program = tmp_path / "duckdb"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    done = ended(folder, "shell", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.stdout == f"-readonly -cmd set timezone = 'UTC' {folder / 'home/journeys.duckdb'}\n"


def test_without_a_published_file_there_is_no_prompt(folder: Path, tmp_path: Path) -> None:
    done = ended(folder, "shell", JOURNEY_PIPELINE_HOME=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"journeys.duckdb is not in {tmp_path}" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_the_program(folder: Path, shell: str) -> None:
    script = ended(folder, "completion", shell).stdout
    assert f"_JOURNEY_PIPELINE_COMPLETE={shell}_complete" in script


@pytest.mark.parametrize(
    ("typed", "proposed"),
    [
        ("", list(cli.commands)),
        ("rep", ["report"]),
        ("backfill ", ["apsis_nordic", "sfmc"]),
        ("exports s", ["sfmc"]),
        ("backfill sfmc --p", ["--plan"]),
    ],
)
def test_commands_options_and_connections_are_completed(folder: Path, typed: str, proposed: list[str]) -> None:
    words = f"journey-pipeline {typed}"
    changes = {"_JOURNEY_PIPELINE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = ended(folder, **changes)
    assert [line.removeprefix("plain,") for line in done.stdout.splitlines()] == proposed
