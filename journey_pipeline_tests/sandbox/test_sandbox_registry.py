"""A simulated vendor is a folder, which is found by its name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import journey_pipeline.sandbox
from journey_pipeline.errors import ConfigError
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.registry import simulated_vendors
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World

MADE = '''
"""A vendor of one route, as its folder offers it."""

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from journey_pipeline.sandbox.registry import Showcase, Vendor


class Options(BaseModel):
    greeting: str = "hello"
    api_key: str = Field("made-key", repr=False)


class Made:
    def __init__(self, around, options):
        self._gate, self._options = around.gate(words, lambda body: None), options

    def routes(self):
        return [self._gate.route("/greeting", "greeting", self._greeting)]

    def environment(self, url):
        return {"MADE_URL": url, "MADE_API_KEY": self._options.api_key}

    def close(self):
        pass

    def _greeting(self, exchange):
        return JSONResponse({"says": self._options.greeting})


def words(status, retry_after_s=None):
    return JSONResponse({"wrong": status}, status)


VENDOR = Vendor(Options, Made, showcase=(Showcase("How it greets", "select 1"),))
'''


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One more vendor: a folder, and nothing else."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made/__init__.py").write_text(MADE)
    monkeypatch.setattr(journey_pipeline.sandbox, "__path__", [*journey_pipeline.sandbox.__path__, str(tmp_path)])
    simulated_vendors.cache_clear()
    yield
    simulated_vendors.cache_clear()
    sys.modules.pop("journey_pipeline.sandbox.made", None)


@pytest.mark.usefixtures("made")
def test_a_folder_is_a_vendor_with_routes_options_faults_variables_and_a_showcase(world: World) -> None:
    with serve(world, options=SandboxOptions(made={"greeting": "good day"})) as sandbox:
        url = sandbox.environment()["MADE_URL"]
        assert requests.get(f"{url}/greeting", timeout=30).json() == {"says": "good day"}
        sandbox.options.change(b'{"made": {"greeting": "bye"}}')
        assert requests.get(f"{url}/greeting", timeout=30).json() == {"says": "bye"}
        sandbox.faults.add("made/greeting:503@1")
        assert requests.get(f"{url}/greeting", timeout=30).status_code == 503
        assert sandbox.calls[-1].vendor == "made"
        assert sandbox.options.shown()["made"] == {"greeting": "bye"}
    assert [showcase.title for showcase in simulated_vendors()["made"].showcase] == ["How it greets"]


def test_each_simulator_is_found_by_its_vendors_name_and_by_its_class(sandbox: Sandbox) -> None:
    for name, vendor in simulated_vendors().items():
        simulator = getattr(sandbox, name)
        assert sandbox.simulator(vendor.simulator) is simulator is sandbox.simulators[name]
        assert type(sandbox.options.of(name)) is vendor.options
    with pytest.raises(AttributeError, match="nobody"):
        sandbox.nobody  # noqa: B018 - the point of the test


def test_options_of_no_vendor_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"nobody: no such vendor; there are apsis, .*layerfive, .*sfmc"):
        SandboxOptions(nobody={})
    with pytest.raises(ConfigError, match=r"sfmc\.bom"):
        SandboxOptions(sfmc={"bom": "perhaps"})
