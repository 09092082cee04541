from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from journey_pipeline.errors import LakeError
from journey_pipeline.lake.codes import read_codes


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


@pytest.mark.parametrize("text", ["", "code,meaning\n", "code\na\n", "code,meaning\na\n"])
def test_a_table_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(LakeError, match="Correct the file"):
        read_codes({"broken": path})
