"""`journey-pipeline query`: SQL on the published warehouse, as a table, or as CSV, JSON or Parquet.

Not here: how the file is opened (`warehouse/questions.py`), a prompt for many questions (`shell.py`).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import click
from rich.markup import escape

from journey_pipeline.cli.output import notes, plain_table, results
from journey_pipeline.errors import ConfigError
from journey_pipeline.files import naming_disk_troubles, remove_unfinished, replacing
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import home, local_path
from journey_pipeline.warehouse import questions as asking
from journey_pipeline.warehouse.publish import glance_at_published

_PARQUET = ".parquet"


def query(sql: str | None, *, file: str | None, form: str | None, limit: int | None, out: str | None) -> None:
    """Run SQL on the published warehouse."""
    if out and form:
        raise click.UsageError("give --format or --out; the ending of --out says what it is")
    lake, asked = Lake(home()), _asked(sql, file)
    if out:
        _write(lake, asked, limit, local_path(out, "--out"))
    else:
        answer = asking.query(lake, asked)
        {"csv": _print_csv, "json": _print_json, "table": show_table}[form or "table"](_first(answer, limit))
    if says := glance_at_published(lake):
        notes.say(says, style="yellow")


def _asked(sql: str | None, file: str | None) -> str:
    """The SQL: as given, of a file, or from standard input."""
    if (sql is None) == (file is None):
        raise click.UsageError("give SQL, a file with --file, or - for standard input")
    if sql and sql.endswith(".sql") and not sql.split()[1:]:
        file = sql
    if file is None and sql != "-":
        return sql or ""
    try:
        return (Path(file).read_bytes() if file else sys.stdin.buffer.read()).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ConfigError(f"{file or 'standard input'} can't be read ({why}).") from error


def _first(answer: asking.QueryResult, limit: int | None) -> asking.QueryResult:
    return answer if limit is None else asking.QueryResult(answer.columns, iter([list(islice(_rows(answer), limit))]))


def show_table(answer: asking.QueryResult, title: str | None = None, text: tuple[str, ...] = ()) -> None:
    """Prints an answer as a table; the columns named in `text` may fold."""
    rows = list(_rows(answer))
    figures = [name for at, name in enumerate(answer.columns) if all(_is_figure(row[at]) for row in rows)]
    table = plain_table(*answer.columns, right=tuple(figures), text=text, title=title)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    results.show(table)


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _write(lake: Lake, sql: str, limit: int | None, path: Path) -> None:
    """Writes an answer to a file, which appears once it is whole."""
    writers: dict[str, Callable[[asking.QueryResult, IO[str]], None]] = {".csv": _write_csv, ".json": _write_json}
    if path.suffix not in {*writers, _PARQUET}:
        raise ConfigError(f"--out ends with {path.suffix or 'no ending'}; give it .csv, .json or .parquet.")
    trouble = naming_disk_troubles(f"writing {path.name}", path.parent, "--out")
    with trouble:
        remove_unfinished(path)
        with replacing(path) as temporary:
            if path.suffix == _PARQUET:
                asking.export_parquet(lake, sql, temporary, limit)
            else:
                with temporary.open("w", encoding="utf-8", newline="") as opened:
                    writers[path.suffix](_first(asking.query(lake, sql), limit), opened)
    results.say(str(path))


def _print_csv(answer: asking.QueryResult) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="strict")  # a letter in place of another would be another answer
    try:
        _write_csv(answer, sys.stdout)
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the output's encoding {error.encoding} lacks a letter of the answer, so the output ends before it. Set "
            "PYTHONIOENCODING=utf-8 and run the command again."
        ) from None


def _write_csv(answer: asking.QueryResult, file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(_rows(answer))


def _print_json(answer: asking.QueryResult) -> None:
    _write_json(answer, sys.stdout)


def _write_json(answer: asking.QueryResult, file: IO[str]) -> None:
    """Writes an object a line."""
    takes_any = str(getattr(file, "encoding", None)).lower().startswith("utf")
    for row in _rows(answer):
        named = dict(zip(answer.columns, row, strict=True))
        file.write(json.dumps(named, default=str, ensure_ascii=not takes_any) + "\n")


def _rows(answer: asking.QueryResult) -> Iterator[tuple[Any, ...]]:
    return chain.from_iterable(answer.batches)
