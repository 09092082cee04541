"""No message of ours is empty, whatever an error says of itself."""

from __future__ import annotations

import ast
import errno
import re
from collections.abc import Iterator

import duckdb
import pytest

from journey_pipeline import errors
from journey_pipeline.errors import JourneyError, text_of
from journey_pipeline.warehouse.connection import describe
from journey_pipeline_tests.package_trees import trees

TELLS = re.compile(r"^str$|\blog\.")


def ours() -> set[str]:
    """The names of all classes that always say something: JourneyErrors, and those that take a text to be made."""
    classes = [node for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    known = {"JourneyError", "DocumentError"}
    while found := {c.name for c in classes if known & {ast.unparse(base) for base in c.bases}} - known:
        known |= found
    return known


def foreign_errors(tree: ast.AST, known: set[str]) -> Iterator[tuple[str, ast.AST]]:
    """Names that hold an error which may say nothing, and where they do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name and node.type:
            types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if not {ast.unparse(kind) for kind in types} <= known:
                yield node.name, node
        if isinstance(node, ast.FunctionDef):
            for argument in node.args.args:
                kind = ast.unparse(argument.annotation) if argument.annotation else ""
                if kind.endswith(("Error", "Exception")) and kind not in known:
                    yield argument.arg, node


def bare_texts(where: ast.AST, name: str) -> Iterator[int]:
    """The lines in which an error's own text is told as it is; looking for words in it tells nobody."""
    compared = {part for node in ast.walk(where) if isinstance(node, ast.Compare) for part in ast.walk(node)}
    for node in ast.walk(where):
        told: list[ast.expr] = []
        if isinstance(node, ast.FormattedValue):
            told = [node.value]
        elif isinstance(node, ast.Call) and TELLS.search(ast.unparse(node.func)):
            told = node.args
        if node not in compared and any(ast.unparse(part) in {name, f"{name}.strerror"} for part in told):
            yield node.lineno


def test_no_error_of_others_is_told_by_a_text_that_may_be_empty() -> None:
    known = ours()
    assert "TransientVendorError" in known
    found = {
        f"{module}:{line}"
        for module, tree in trees().items()
        if module.name != "errors.py"
        for name, where in foreign_errors(tree, known)
        for line in bare_texts(where, name)
    }
    assert sorted(found) == []


@pytest.mark.parametrize("kind", [JourneyError, errors.TransientVendorError, errors.LakeError, errors.ContractError])
def test_an_error_of_ours_without_a_message_gives_its_class(kind: type[JourneyError]) -> None:
    assert str(kind("")) == kind.__name__
    assert f"{kind('what to do')}" == "what to do"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (AssertionError(), "AssertionError"),
        (OSError(), "OSError"),
        (ValueError(" \n"), "ValueError"),
        (ValueError("no such hour\n"), "no such hour"),
        (PermissionError(errno.EACCES, "Permission denied", "/lake"), "Permission denied"),
        (OSError("cannot load library"), "cannot load library"),
    ],
    ids=repr,
)
def test_an_error_of_others_gives_its_words_or_its_class(error: Exception, text: str) -> None:
    assert text_of(error) == text


def test_a_duckdb_error_without_a_text_is_described_by_its_class() -> None:
    assert describe(duckdb.IOException("")) == "IOException"
    assert describe(duckdb.IOException("IO Error: no file\nfurther lines")) == "IO Error: no file"
