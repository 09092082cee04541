from __future__ import annotations

from pathlib import Path

import pytest

from journey_pipeline_tests.lake.made_landing import MadeLanding


@pytest.fixture
def made(tmp_path: Path) -> MadeLanding:
    return MadeLanding(tmp_path / "home")
