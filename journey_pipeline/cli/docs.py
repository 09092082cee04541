"""`journey-pipeline docs`: the tables described as Markdown, as JSON, and as sources of dbt; the settings as Markdown.

Not here: where the descriptions are from (`warehouse/dictionary.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from journey_pipeline.cli.output import results
from journey_pipeline.files import naming_disk_troubles, write_bytes
from journey_pipeline.settings import home, local_path
from journey_pipeline.warehouse.dictionary import dictionary
from journey_pipeline.warehouse.table import Table

_FOLDER = "docs"
_FRESH = """\
        loaded_at_field: horizon
        freshness: {warn_after: {count: 2, period: day}, error_after: {count: 7, period: day}}"""
Schemas = Mapping[str, Sequence[Table]]


def docs(out: str | None) -> None:
    """Describe the warehouse's tables, and all settings, in files."""
    folder = local_path(out, "--out") if out else home() / _FOLDER
    settings = import_module("journey_pipeline.components.described").settings_page()  # Dagster comes along
    with naming_disk_troubles("writing the description of the tables", folder, "--out"):
        for name, text in {**described(dictionary()), "settings.md": settings}.items():
            write_bytes(folder / name, text.encode())
            results.say(str(folder / name))


def described(schemas: Schemas) -> dict[str, str]:
    """The text of each file, by its name."""
    pages = {f"{schema}.md": "\n".join(_page(schema, tables)) for schema, tables in schemas.items()}
    return {
        **pages,
        "tables.md": "# Tables\n\nMade by `journey-pipeline docs`.\n\n"
        + "\n".join(page.replace("\n## ", "\n### ").replace("# ", "## ", 1) for page in pages.values()),
        "tables.json": json.dumps([_object(table) for tables in schemas.values() for table in tables], indent=1) + "\n",
        "sources.yml": "\n".join(_sources(schemas)) + "\n",
    }


def _page(schema: str, tables: Sequence[Table]) -> Iterator[str]:
    yield f"# Schema {schema}\n"
    for table in tables:
        yield f"## {table.name}{f'({table.arguments})' if table.arguments else ''}\n\n{table.comment}\n"
        yield "| column | type | is |\n|---|---|---|"
        for column in table.columns:
            comment = column.comment.replace("|", "\\|")
            yield f"| `{column.name}` | {column.type} | {comment} |"
        yield ""


def _object(table: Table) -> dict[str, object]:
    return {
        "table": table.name,
        "kind": "macro" if table.arguments else "view" if table.is_view else "table",
        "arguments": table.arguments or None,
        "comment": table.comment,
        "key": table.key,
        "columns": [{"name": one.name, "type": one.type, "comment": one.comment} for one in table.columns],
    }


def _sources(schemas: Schemas) -> Iterator[str]:
    """Lines of YAML. A text of JSON is one of YAML, too."""
    yield "# Made by `journey-pipeline docs`. Attach journeys.duckdb, read-only, as `journeys`."
    yield "# Tests need dbt_utils, and dbt 1.10.5 or later."
    yield "version: 2\nsources:"
    for schema, tables in schemas.items():
        yield f"  - name: {schema}\n    database: journeys\n    schema: {schema}\n    tables:"
        for table in tables:
            if not table.arguments:
                yield from _source(table)


def _source(table: Table) -> Iterator[str]:
    name = table.name.partition(".")[2]
    yield f"      - name: {name}\n        description: {json.dumps(table.comment)}"
    if table.name == "ops.days":
        yield _FRESH
    if table.key:
        yield "        data_tests:\n          - dbt_utils.unique_combination_of_columns:"
        yield f"              arguments: {{combination_of_columns: [{', '.join(table.key)}]}}"
    yield "        columns:"
    for column in table.columns:
        yield f"          - name: {column.name}\n            data_type: {json.dumps(column.type)}"
        yield f"            description: {json.dumps(column.comment)}"
