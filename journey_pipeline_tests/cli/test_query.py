"""`query`: where the SQL comes from, where the answer goes, and what a terminal, a pipe and a refusal show."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit

import duckdb
import pytest
from click.testing import CliRunner, Result

from journey_pipeline.cli.commands import cli
from journey_pipeline.errors import WarehouseError
from journey_pipeline.settings import HOME_VARIABLE, PUBLISHED_VARIABLE

NAME, OUTCOME = "A journey whose name is not a short one", "left at the third step, by a rule"
WIDE = f"select '{NAME}' as journey_name, day, '{OUTCOME}' as outcome from range(3) as days(day)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a published file of one table."""
    folder = tmp_path_factory.mktemp("home")
    with duckdb.connect(folder / "journeys.duckdb") as session:
        session.execute("create schema core; create table core.journey_events (action varchar, events bigint)")
        session.execute("insert into core.journey_events values ('enter', 3), ('exit', 2), (null, 1)")
    return folder


def asked(home: Path, *arguments: str, given: str = "") -> Result:
    runner = CliRunner(env={HOME_VARIABLE: str(home)})
    return runner.invoke(cli, ["query", *arguments], input=given, catch_exceptions=True)


def seen(home: Path, columns: int, *arguments: str) -> list[str]:
    """The lines that a command draws on a terminal so wide, without colours."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "journey_pipeline.cli.main", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", HOME_VARIABLE: str(home)}
    drawn = b""
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process,
    ):
        os.close(theirs)
        with suppress(OSError):  # so does Linux say that nobody writes there any more
            while piece := terminal.read(1 << 16):
                drawn += piece
    assert process.returncode == 0, drawn
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn.decode()).splitlines()


def test_a_terminal_shows_a_table_that_fits_and_else_each_row_as_a_list_of_names_and_values(home: Path) -> None:
    lines = seen(home, 80, "query", WIDE)
    assert [line.split()[1] for line in lines if line.startswith("──")] == ["1", "2", "3"]
    assert lines.count(f"journey_name  {NAME}".ljust(max(map(len, lines)))) == 3
    assert max(map(len, lines)) <= 80
    (row,) = [line for line in seen(home, 120, "query", WIDE) if "  2  " in line]
    assert row.split() == [*NAME.split(), "2", *OUTCOME.split()]


def test_a_pipe_has_no_width(home: Path) -> None:
    names = ", ".join(f"'{NAME}' as name_{number}" for number in range(9))
    _, head, _, row, *_ = asked(home, f"select {names}").stdout.splitlines()
    assert re.split(" {2,}", head.strip()) == [f"name_{number}" for number in range(9)]
    assert re.split(" {2,}", row.strip()) == [NAME] * 9


def test_sql_comes_as_text_from_a_file_or_from_standard_input(home: Path, tmp_path: Path) -> None:
    sql = "select max(events) as most from core.journey_events"
    file = tmp_path / "most.sql"
    file.write_text(sql)
    csv_of = ("--format", "csv")
    ways = [
        asked(home, sql, *csv_of),
        asked(home, str(file), *csv_of),
        asked(home, "--file", str(file), *csv_of),
        asked(home, "-", *csv_of, given=sql),
    ]
    assert [(way.exit_code, way.stdout) for way in ways] == [(0, "most\n3\n")] * 4
    file.write_text(sql, encoding="utf-8-sig")  # as editors on Windows do
    assert asked(home, str(file), *csv_of).stdout == "most\n3\n"
    assert asked(home).exit_code == asked(home, sql, "--file", str(file)).exit_code == 2
    assert "most.sq" in str(asked(home, "--file", str(file)[:-1]).exception)


@pytest.mark.parametrize("form", [".csv", ".json", ".parquet"])
def test_an_answer_is_written_whole_to_a_file_of_the_form_that_its_name_ends_with(
    home: Path, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"answer{form}"
    sql = "select 1; select action, events from core.journey_events order by events desc"
    assert asked(home, sql, "--limit", "2", "--out", str(file)).stdout == f"{file}\n"
    read = {".csv": "read_csv", ".json": "read_json", ".parquet": "read_parquet"}[form]
    assert duckdb.sql(f"from {read}('{file}')").fetchall() == [("enter", 3), ("exit", 2)]
    before = file.read_bytes()
    assert isinstance(asked(home, "select nope", "--out", str(file)).exception, WarehouseError)
    assert (file.read_bytes(), [path.name for path in tmp_path.iterdir()]) == (before, [file.name])


def test_sql_that_is_no_text_in_utf_8_is_refused_wherever_it_comes_from(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "latin.sql"
    file.write_bytes("select 'é'".encode("latin-1"))
    runner = CliRunner(env={HOME_VARIABLE: str(home)})
    given = runner.invoke(cli, ["query", "-"], input=file.read_bytes())
    assert str(given.exception) == "standard input can't be read (it is no text in UTF-8)."
    assert str(asked(home, str(file)).exception) == f"{file} can't be read (it is no text in UTF-8)."


@pytest.mark.parametrize("form", [".csv", ".json", ".parquet"])
def test_a_full_disk_is_named_whatever_the_form_of_the_answer(home: Path, tmp_path: Path, form: str) -> None:
    command = [sys.executable, "-m", "journey_pipeline.cli.main", "query", "select md5(i::text) from range(99999) t(i)"]
    done = subprocess.run(
        [*command, "--out", f"answer{form}"],
        cwd=tmp_path,
        env=os.environ | {HOME_VARIABLE: str(home)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: setrlimit(RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: writing answer{form} failed: the disk that holds {tmp_path} is full")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_query_left_goes_a_day_later_with_the_next_one_to_the_same_file(
    home: Path, tmp_path: Path
) -> None:
    left, fresh, of_another = (
        tmp_path / f".{name}.tmp" for name in ("a.csv.0123456789ab", "a.csv.ba9876543210", "b.csv.0123456789ab")
    )
    for file in (left, fresh, of_another):
        file.touch()
    os.utime(left, (0, 0))
    os.utime(of_another, (0, 0))
    assert asked(home, "select 1", "--out", str(tmp_path / "a.csv")).exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", fresh.name, of_another.name}


def test_a_limit_holds_for_every_form(home: Path) -> None:
    for form in ("csv", "json", "table"):
        shown = asked(home, "from core.journey_events order by events", "--limit", "1", "--format", form).stdout
        assert ("enter" in shown, "1" in shown) == (False, True)


def test_another_ending_or_a_format_beside_it_is_refused(home: Path, tmp_path: Path) -> None:
    assert "give it .csv, .json or .parquet" in str(asked(home, "select 1", "--out", "answer.xls").exception)
    assert asked(home, "select 1", "--out", str(tmp_path / "a.csv"), "--format", "csv").exit_code == 2
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    refused = str(asked(home, "select 1", "--out", str(in_the_way / "a.csv")).exception)
    assert "choose another folder with --out" in refused


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("from core.journey_event", 'Did you mean "journey_events"?'),
        ("select actoin from core.journey_events", 'Candidate bindings: "action"'),
        ("create table core.mine as select 1", "read-only. To keep a result, write it to a file with --out"),
        ("delete from core.journey_events", "read-only. To keep a result, write it to a file with --out"),
        ("select cast(action as int) from core.journey_events", "the query was refused: ConversionException;"),
    ],
)
def test_a_refusal_is_one_line_with_what_duckdb_proposes_and_no_value(home: Path, sql: str, says: str) -> None:
    refused = str(asked(home, sql).exception)
    assert says in refused
    assert "\n" not in refused
    assert "enter" not in refused


def test_where_nothing_is_published_the_folder_and_the_variable_are_named(tmp_path: Path) -> None:
    says = str(asked(tmp_path, "select 1").exception)
    assert f"journeys.duckdb is not in {tmp_path}." in says
    assert f"set {HOME_VARIABLE} to where it is, such as data/sandbox" in says
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(PUBLISHED_VARIABLE, str(tmp_path / "shared.duckdb"))
        elsewhere = str(asked(tmp_path / "home", "select 1").exception)
    assert f"set {PUBLISHED_VARIABLE} to where it is." in elsewhere


def test_figures_stand_on_the_right_and_texts_on_the_left(home: Path) -> None:
    shown = asked(home, "select events * 1000 as n, coalesce(action, 'none') as action from core.journey_events").stdout
    assert {line[1:5] for line in shown.splitlines() if "000" in line} == {"3000", "2000", "1000"}
    narrow = asked(home, "select 7 as events, 'a' as action").stdout.splitlines()
    assert "      7  a      " in narrow
