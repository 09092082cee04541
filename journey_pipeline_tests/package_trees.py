"""The package's modules as syntax trees, made when a test first asks: every worker imports all tests, and few ask."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "journey_pipeline"


@cache
def trees() -> dict[Path, ast.Module]:
    """The tree of each module, by its path in the package."""
    return {path.relative_to(PACKAGE): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
