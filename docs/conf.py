"""The site that `make docs` builds of these pages, and of those that lie elsewhere in the project.

A page of the latter has a stub here, which the text replaces; links are made to lead to the site's pages.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from journey_pipeline import __version__

ROOT = Path(__file__).parent.parent
ELSEWHERE = {
    "index": "README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
    "benchmarks": "benchmarks/README.md",
}
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")

project = "journey_pipeline"
release = version = __version__
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"journey_pipeline {__version__}"
html_show_copyright = False
html_copy_source = False
exclude_patterns = ["_build"]


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)


def _read(_app: object, page: str, source: list[str]) -> None:
    """Replaces a stub, and makes links lead to the site's pages."""
    file = ELSEWHERE.get(page, f"docs/{page}.md")
    text = source[0]
    if page in ELSEWHERE:
        contents = text[text.index("```{toctree}") :] if "```{toctree}" in text else ""
        text = (ROOT / file).read_text() + "\n" + contents
    pages = {place: f"docs/{name}.md" for name, place in ELSEWHERE.items()}

    def of_the_site(link: re.Match[str]) -> str:
        place = os.path.normpath(Path(file).parent / link[1])
        return "](" + os.path.relpath(pages.get(place, place), Path("docs", page).parent)

    source[0] = _LINK.sub(of_the_site, text)
