"""The site of `docs/` builds without a warning, and leads to every page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow(reason="the site is built")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as the Makefile says; into another folder."""
    folder = tmp_path_factory.mktemp("site")
    (line,) = re.findall(r"-m (sphinx .*) build/site$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = [sys.executable, "-m", *line.split(), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_first_page_leads_to_every_page(site: Path) -> None:
    pages = {str(path.relative_to(ROOT / "docs").with_suffix(".html")) for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 10
    linked = set(re.findall(r'href="([^"#:]+\.html)"', (site / "index.html").read_text())) | {"index.html"}
    assert pages - linked == set()


def test_pages_from_elsewhere_are_there_whole_and_lead_to_pages_of_the_site(site: Path) -> None:
    changelog = (site / "changelog.html").read_text()
    assert 'href="operations.html#upgrade"' in changelog
    assert "0.1.0" in changelog
    assert "completely and provably" in (site / "index.html").read_text()
    assert 'href="vendors/sfmc.html"' in (site / "index.html").read_text()
    assert not re.findall(r'href="[^":]*\.md[#"]', "".join(page.read_text() for page in site.rglob("*.html")))
