"""`journey-pipeline query`: SQL on the published warehouse.

Not here: how the file is opened (`warehouse/questions.py`).
"""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Any

import click
from rich.markup import escape

from journey_pipeline.cli.output import notes, plain_table, results
from journey_pipeline.errors import ConfigError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.settings import home
from journey_pipeline.warehouse import questions as asking
from journey_pipeline.warehouse.publish import glance_at_published


def query(sql: str, form: str) -> None:
    """Run SQL on the published warehouse."""
    lake = Lake(home())
    answer = asking.query(lake, sql)
    if says := glance_at_published(lake):
        notes.say(says, style="yellow")
    {"csv": _write_csv, "json": _write_json, "table": show_table}[form](answer)


def show_table(answer: asking.QueryResult, title: str | None = None) -> None:
    """Prints an answer as a table."""
    table = plain_table(*answer.columns, title=title)
    for row in _rows(answer):
        table.add_row(*(_cell(value) for value in row))
    results.print(table)


def _cell(value: object) -> str:
    return "" if value is None else escape(str(value))


def _write_csv(answer: asking.QueryResult) -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="strict")  # a letter in place of another would be another answer
    writer = csv.writer(sys.stdout, lineterminator="\n")
    try:
        writer.writerow(answer.columns)
        writer.writerows(_rows(answer))
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"the output's encoding {error.encoding} lacks a letter of the answer, so the output ends before it. Set "
            "PYTHONIOENCODING=utf-8 and run the command again."
        ) from None


def _write_json(answer: asking.QueryResult) -> None:
    takes_any = (sys.stdout.encoding or "").lower().startswith("utf")
    for row in _rows(answer):
        click.echo(json.dumps(dict(zip(answer.columns, row, strict=True)), default=str, ensure_ascii=not takes_any))


def _rows(answer: asking.QueryResult) -> Iterator[tuple[Any, ...]]:
    return itertools.chain.from_iterable(answer.batches)
