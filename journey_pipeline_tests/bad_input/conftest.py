"""A vendor that answers with any bytes, an empty home, and the pipeline between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from journey_pipeline.lake.layout import Lake
from journey_pipeline.transport.waiting import no_waiting
from journey_pipeline_tests.bad_input.bad_vendor import BadVendor, Line
from journey_pipeline_tests.bad_input.small_disk import small_disk
from journey_pipeline_tests.transport.flaky_server import FlakyServer


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[BadVendor]:
    server = FlakyServer()
    try:
        vendor = BadVendor(server)
        for name, value in vendor.environment().items():
            monkeypatch.setenv(name, value)
        with no_waiting():
            yield vendor
    finally:
        server.close()


@pytest.fixture
def line(tmp_path: Path, vendor: BadVendor) -> Line:
    assert vendor.server.url
    return Line(Lake(tmp_path / "home"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder
