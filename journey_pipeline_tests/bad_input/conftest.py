"""A vendor that answers with any bytes, an empty home, and the pipeline between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.transport.retry import no_waiting
from journey_pipeline_tests.bad_input.bad_vendor import BadVendor, Line, bad_vendor
from journey_pipeline_tests.bad_input.small_disk import small_disk
from journey_pipeline_tests.new_home import put_warehouse


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadVendor]:
    with bad_vendor() as vendor:
        for name, value in vendor.environment().items():
            monkeypatch.setenv(name, value)
        with no_waiting():
            yield vendor


@pytest.fixture
def line(tmp_path: Path, vendor: BadVendor) -> Line:
    assert vendor.server.url
    return Line(Lake(put_warehouse(tmp_path / "home")))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder
