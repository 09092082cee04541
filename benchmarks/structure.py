"""`python -m benchmarks.structure`: how far data travels through the package, and how large the package is.

A trip is one partition loaded as the command line does, followed through every file and function of ours that it runs
through. Not here: the trip itself (`contenders/trip.py`), speed (`questions.py`).
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from benchmarks.contenders.trip import PACKAGE, returns
from benchmarks.processes import ContenderError, Vendor, run, serving, serving_export

KINDS = ("Assets", "Source")
"""How the names of classes end of which an `isinstance` asks which kind a stream is."""
KIND_FIELDS = {
    "answers",
    "reach",
    "longest",
    "onward",
    "back",
    "ages_after",
    "partitions_per_answer",
    "lookalikes",
    "lacks",
    "first_look",
    "upstream",
}
"""The fields in which streams and sources differ by their kind: a branch on one of them asks for the kind."""


def modules() -> list[Path]:
    """The package's modules, without its simulator."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in path.relative_to(PACKAGE).parts]


def kind_questions() -> list[str]:
    """Where code outside of `vendors/` asks which kind a stream is, as `file:line`."""
    found = []
    for path in modules():
        name = path.relative_to(PACKAGE)
        if name.parts[0] != "vendors":
            found += [f"{name}:{line}" for line in sorted(set(_asking(ast.parse(path.read_text()))))]
    return found


def _asking(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, ast.Name(id=name)]):
                if name.endswith(KINDS):
                    yield node.lineno
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test) | ast.comprehension(ifs=[test, *_]):
                yield from _looks(test)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from _looks(value)
            case ast.Compare(left=left, comparators=[ast.Constant(), *_]):
                yield from _looks(left)


def _looks(node: ast.AST) -> Iterator[int]:
    match node:
        case ast.Attribute(attr=name, lineno=line) if name in KIND_FIELDS:
            yield line
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from _looks(operand)
        case ast.NamedExpr(value=value):
            yield from _looks(value)


def _trip(vendor: Vendor, stream: str, home: Path) -> dict[str, Any]:
    return dict(run("trip", home / stream.replace("/", "-"), vendor.environment, stream).said)


def _trips(home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with serving(2, 500) as vendor:
        hour = _trip(vendor, "sfmc/journey_history", home)
    with serving_export(500, 0) as vendor:
        export = _trip(vendor, "apsis/profile_events", home)
    return hour, export


@click.command()
@click.option("--list", "lists", is_flag=True, help="Name the files of each trip and the places that ask, too.")
def main(*, lists: bool) -> None:
    """Print how far an hour and an export travel, and how large the package is."""
    with tempfile.TemporaryDirectory() as home:
        try:
            hour, export = _trips(Path(home))
        except ContenderError as error:
            raise click.ClickException(str(error)) from error
    asking, paths = kind_questions(), modules()
    lines = sum(len(path.read_text().splitlines()) for path in paths)
    rows = [
        ("files (functions) a Salesforce hour runs through", f"{len(hour['files'])} ({hour['functions']})"),
        ("files (functions) an APSIS export runs through", f"{len(export['files'])} ({export['functions']})"),
        ("returns to a file just left, in one poll", f"{returns(export['stays'])} of {len(export['stays'])} stays"),
        ("places outside of vendors/ that ask which kind a stream is", len(asking)),
        ("modules without the sandbox", len(paths)),
        ("lines without the sandbox", f"{lines:,}"),
    ]
    click.echo("| measure | figure |\n|---|---|")
    for name, figure in rows:
        click.echo(f"| {name} | {figure} |")
    if lists:
        for name, found in (
            ("hour", hour["files"]),
            ("export", export["files"]),
            ("poll", export["stays"]),
            ("asks for the kind", asking),
        ):
            click.echo(f"\n{name}:\n" + "\n".join(f"  {one}" for one in found))


if __name__ == "__main__":
    main()
