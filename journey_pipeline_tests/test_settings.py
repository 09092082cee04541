"""The environment: what is taken for a folder, what a `.env` file says, and who may look into a home."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from journey_pipeline import settings
from journey_pipeline.components.instance import use_dagster_home
from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import published_file
from journey_pipeline_tests.crash.commands import CommandServer, Ended, Request
from journey_pipeline_tests.projects import make_project

STARTS = pytest.mark.slow(reason="commands are started")
URLS = ["s3://bucket/prefix", "s3:/bucket", "gs://bucket", "abfss://box@account/x", "file:///srv/data", "az:box/x"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in (settings.HOME_VARIABLE, settings.LEDGER_VARIABLE, settings.PUBLISHED_VARIABLE, "DAGSTER_HOME"):
        monkeypatch.delenv(variable, raising=False)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def run(command_server: CommandServer) -> Callable[..., Ended]:
    """Runs a command in a folder, with nothing in the environment but what is given."""

    def run(folder: Path, *arguments: str, **environment: str) -> Ended:
        given = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "300", **environment}
        return command_server.run(Request(arguments, given, folder))

    return run


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_no_home_and_makes_no_folder(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HOME_VARIABLE, url)
    with pytest.raises(ConfigError, match=f"{settings.HOME_VARIABLE} begins with"):
        settings.make_home()
    with pytest.raises(ConfigError):
        settings.ledger_url()
    assert not list(tmp_path.iterdir())


def test_a_url_is_no_home_of_dagster_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "s3://bucket/dagster")
    with pytest.raises(ConfigError, match="DAGSTER_HOME begins with"):
        use_dagster_home()
    assert not list(tmp_path.iterdir())


@STARTS
@pytest.mark.parametrize("command", [("status",), ("sync",), ("demo", "--home", "s3://bucket/x")], ids=lambda c: c[0])
def test_a_command_says_that_a_url_is_no_folder_and_ends_with_two(
    command: tuple[str, ...], tmp_path: Path, run: Callable[..., Ended]
) -> None:
    folder = make_project(tmp_path / "project", "sfmc")
    before = set(folder.glob("*/"))
    done = run(folder, *command, JOURNEY_PIPELINE_HOME="s3://bucket/prefix")
    assert done.code == 2, done.err
    assert "names no folder of this machine" in done.err
    assert set(folder.glob("*/")) == before


def test_a_folder_whose_name_has_a_colon_is_reached_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.HOME_VARIABLE, "./s3:odd")
    assert settings.home() == tmp_path / "s3:odd"


def test_a_blank_home_is_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.HOME_VARIABLE, "  ")
    assert settings.home() == tmp_path / "data"


def test_a_home_is_made_closed_to_other_users_and_one_that_exists_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.HOME_VARIABLE, str(tmp_path / "deep" / "home"))
    assert rights(settings.make_home()) == 0o700
    settings.home().chmod(0o750)
    assert rights(settings.make_home()) == 0o750


def test_a_home_that_can_not_be_made_is_a_configuration_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(settings.HOME_VARIABLE, str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigError, match="can't be written"):
        settings.make_home()


@STARTS
def test_what_a_command_writes_is_its_owners_alone_and_doctor_tells_of_an_open_home(
    tmp_path: Path, run: Callable[..., Ended]
) -> None:
    folder = make_project(tmp_path / "project", "sfmc")
    done = run(folder, "sync")
    home = folder / "data"
    assert done.code == 0, done.err
    files = [path for path in home.rglob("*") if path.is_file() and path.name != "journeys.duckdb"]
    assert files
    assert {rights(path) & 0o077 for path in [home, *files]} == {0}
    assert "closed to other users" in run(folder, "doctor").out
    home.chmod(0o755)
    assert f"chmod 700 {home}" in run(folder, "doctor").out


@STARTS
def test_the_published_file_may_lie_where_analysts_reach_it(tmp_path: Path, run: Callable[..., Ended]) -> None:
    folder = make_project(tmp_path / "project", "sfmc")
    analysts = tmp_path / "analysts"
    analysts.mkdir()
    place = str(analysts / "journeys.duckdb")
    done = run(folder, "sync", JOURNEY_PIPELINE_PUBLISHED_FILE=place)
    assert done.code == 0, done.err
    assert not (folder / "data" / "journeys.duckdb").exists()
    asked = run(
        folder, "query", "select count(*) as n from ops.partitions", "--format", "csv",
        JOURNEY_PIPELINE_PUBLISHED_FILE=place,
    )  # fmt: skip
    assert asked.out.split() == ["n", "0"]


def test_a_published_file_needs_a_folder_that_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (str(tmp_path / "no" / "journeys.duckdb"), str(tmp_path), "s3://bucket/journeys.duckdb"):
        monkeypatch.setenv(settings.PUBLISHED_VARIABLE, wrong)
        with pytest.raises(ConfigError, match=settings.PUBLISHED_VARIABLE):
            published_file(Lake(tmp_path))


def test_values_in_an_environment_file_are_literal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SFMC_CLIENT_SECRET", raising=False)
    (tmp_path / ".env").write_text("SFMC_CLIENT_SECRET=a${HOME}b$c\n")
    settings.load_environment_file()
    assert os.environ["SFMC_CLIENT_SECRET"] == "a${HOME}b$c"


def test_every_variable_is_in_the_one_table_of_settings() -> None:
    table = (Path(__file__).parents[1] / "docs" / "operations.md").read_text().partition("## Settings")[2]
    names = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}
    assert [name for name in sorted(names) if f"| `{name}` |" not in table] == []


def test_download_hosts_are_names_of_hosts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFMC_DOWNLOAD_HOSTS", " Files.Example , cdn.example.,,[fc00::1]")
    assert settings.download_hosts("sfmc") == {"files.example", "cdn.example", "fc00::1"}
    for wrong in ("https://files.example/", "files.example/x", "*.example", "a b", "ftp://files.example"):
        monkeypatch.setenv("SFMC_DOWNLOAD_HOSTS", wrong)
        with pytest.raises(ConfigError, match="SFMC_DOWNLOAD_HOSTS"):
            settings.download_hosts("sfmc")


def test_an_entry_with_a_scheme_allows_just_that_scheme_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "INSIDER_DOWNLOAD_HOSTS", "HTTP://127.0.0.1:8765, https://a.example:443,b.example,http://[::1]:9"
    )
    assert settings.download_origins("insider") == {
        "http://127.0.0.1:8765",
        "https://a.example",
        "https://b.example",
        "http://[::1]:9",
    }
    assert settings.download_hosts("insider") == {"a.example", "b.example"}
    for wrong in ("http://127.0.0.1:99999", "http://user@a.example", "http://a.example:", "a.example:443", "http://"):
        monkeypatch.setenv("INSIDER_DOWNLOAD_HOSTS", wrong)
        with pytest.raises(ConfigError, match=r"INSIDER_DOWNLOAD_HOSTS holds .* such as files\.example\.com"):
            settings.download_origins("insider")


@pytest.mark.parametrize("given", ["0", "-1", "much", "nan", "inf"])
def test_limits_of_an_answer_are_numbers_above_zero(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    assert (settings.largest_answer_bytes(), settings.longest_answer_s()) == (100 << 30, 1800.0)
    monkeypatch.setenv(settings.ANSWER_SIZE_VARIABLE, given)
    monkeypatch.setenv(settings.ANSWER_TIME_VARIABLE, given)
    with pytest.raises(ConfigError, match=settings.ANSWER_SIZE_VARIABLE):
        settings.largest_answer_bytes()
    with pytest.raises(ConfigError, match=settings.ANSWER_TIME_VARIABLE):
        settings.longest_answer_s()


def test_partitions_become_events_as_many_at_a_time_as_the_machine_can_or_a_person_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cores, expected in ((None, 2), (1, 2), (2, 2), (8, 4), (64, 8)):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert settings.normalizers() == expected
    monkeypatch.setenv(settings.NORMALIZERS_VARIABLE, "1")
    assert settings.normalizers() == 1
    monkeypatch.setenv(settings.NORMALIZERS_VARIABLE, "none")
    with pytest.raises(ConfigError, match=settings.NORMALIZERS_VARIABLE):
        settings.normalizers()


def test_how_long_a_touch_counts_is_five_days_and_one_and_must_be_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = settings.touch_hours()
    assert (hours.pop("email"), set(hours.values())) == (120, {24})
    monkeypatch.setenv(settings.EMAIL_TOUCH_VARIABLE, "a week")
    with pytest.raises(ConfigError, match=settings.EMAIL_TOUCH_VARIABLE):
        settings.touch_hours()


@pytest.mark.parametrize("given", ["1.2.0", "v1.1.3", "latest", "v2"])
def test_a_storage_version_that_is_none_or_too_early_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv(settings.STORAGE_VARIABLE, given)
    with pytest.raises(ConfigError, match=settings.STORAGE_VARIABLE):
        settings.storage_version()


@pytest.mark.parametrize("variable", [settings.HOME_VARIABLE, settings.PUBLISHED_VARIABLE])
def test_the_folder_of_a_person_who_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "~nobody-of-that-name/x")
    with pytest.raises(
        ConfigError, match=f"{variable} begins with `~nobody-of-that-name`, and there is no such person"
    ):
        settings.home() if variable == settings.HOME_VARIABLE else settings.published_place()


@pytest.mark.parametrize("place", ["warehouse.duckdb", "warehouse.duckdb.wal", "events/x.duckdb", "other/../raw/x"])
def test_the_published_file_takes_the_place_of_nothing_that_the_pipeline_works_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    monkeypatch.setenv(settings.HOME_VARIABLE, str(tmp_path))
    for folder in ("events", "raw", "other"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv(settings.PUBLISHED_VARIABLE, str(tmp_path / place))
    with pytest.raises(ConfigError, match="Name a file outside of the home"):
        settings.published_place()
    monkeypatch.setenv(settings.PUBLISHED_VARIABLE, str(tmp_path / "all.duckdb"))
    assert settings.published_place() == tmp_path / "all.duckdb"
