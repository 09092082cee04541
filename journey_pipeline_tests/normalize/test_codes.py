from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.normalize.staging import read_codes


def test_a_code_is_looked_up_exactly_or_by_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("step,channel,note\nmail,email,it's one\nlead*,api,\nleadmail,email,exact wins\n")
    (table,) = read_codes({"steps": path})
    with duckdb.connect() as connection:
        connection.execute(table.macro)
        found = connection.execute(
            "select steps(code) from (values ('mail'), ('lead-7'), ('leadmail'), ('other'), (''), (null)) as t(code)"
        ).fetchall()
    assert [row for (row,) in found] == [
        {"channel": "email", "note": "it's one"},
        {"channel": "api", "note": ""},
        {"channel": "email", "note": "exact wins"},
        None,
        None,
        None,
    ]
    assert [table.has(value) for value in ("MAIL", "Lead", "lea", "mails")] == [True, True, False, False]


def test_a_code_is_looked_up_by_what_it_contains_and_the_first_pattern_that_fits_counts(tmp_path: Path) -> None:
    path = tmp_path / "channels.csv"
    path.write_text("name,channel\n*web*push*,web_push\n*push*,app_push\n*50%_off*,ads\n*a\\b*,api\n")
    (table,) = read_codes({"channels": path})
    names = ["web push", "push", "a push", "push web", "50%_off!", "50 xoff", "a\\b", "web"]
    with duckdb.connect() as connection:
        connection.execute(table.macro)
        found = connection.execute("select channels(unnest($1)).channel", [names]).fetchall()
    expected = ["web_push", "app_push", "app_push", "app_push", "ads", None, "api", None]
    assert [channel for (channel,) in found] == expected
    assert [table.has(name.upper()) for name in names] == [channel is not None for channel in expected]


@pytest.mark.parametrize("text", ["", "code,meaning\n", "code\na\n", "code,meaning\na\n"])
def test_a_table_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(LakeError, match="Correct the file"):
        read_codes({"broken": path})
