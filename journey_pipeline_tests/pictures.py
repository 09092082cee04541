"""Makes the pictures of Dagster's UI, of a report and of the demo, in headless Chromium: `make pictures`.

For the UI and the report it starts `dev --hurry` in a home of its own, waits until an ordered export has landed and the
warehouse is published, and takes each page once its text is there. The demo's picture is what `demo` prints.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import requests
from rich.console import Console
from rich.text import Text
from websockets.sync.client import ClientConnection, connect

from journey_pipeline.lake.layout import Lake
from journey_pipeline.report.index import ask_journeys
from journey_pipeline.report.journey import Span
from journey_pipeline.report.write import write_journeys
from journey_pipeline.warehouse.questions import published

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, HEIGHT = 1400, 800
SETTLES_S = 5  # what moves on a page, such as the graph's lines
COLUMNS = 92  # of the demo's terminal
SHOWN = re.compile(r"(?:\x1b\[[0-9;]*m)*What each journey did.*?(?=\n\S*Where it is)", re.DOTALL)
LOADED = "select count(distinct connection) from core.journey_events"


class Page(NamedTuple):
    """A page, the texts that it has once it is complete, and what is clicked on it before the picture."""

    path: str
    texts: tuple[str, ...]
    click: str = ""


PAGES = {
    "assets": Page("/asset-groups", ("apsis", "layerfive", "marts", "Materialize all")),
    "partition": Page(
        "/assets/events/sfmc/journey_history?view=partitions&partition={hour}", ("Metadata", "partition_row_count")
    ),
    "check": Page(
        "/assets/warehouse/journey_events?view=checks&checkDetail=warehouse_equals_lake",
        ("Latest execution", "as in the lake"),
        "Execution history",
    ),
    "order": Page("/assets/requests/apsis/profile_events?view=partitions&partition={day}", ("Metadata", "landed_at")),
}


class Browser:
    """A page of headless Chromium, steered by its own protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._calls = socket, 0
        self.call("Page.enable")
        self.resize(WIDTH, HEIGHT)

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the page, which is that of its pictures."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method and waits for its result."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer: dict[str, Any] = json.loads(self._socket.recv())
            if answer.get("id") == self._calls:
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        """Gives what a script comes to."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def take(self, url: str, page: Page, picture: Path, *, within_s: float = 240.0) -> None:
        """Opens a page, waits until it is complete, and takes a picture."""
        click.echo(f"Taking {picture.name} ...")
        self.call("Page.navigate", url=url)
        wait_until(lambda: all(text in str(self.run("document.body?.innerText")) for text in page.texts), url, within_s)
        time.sleep(SETTLES_S)
        if page.click:
            leaves = "[...document.querySelectorAll('*')].filter(one => !one.children.length)"
            self.run(f"{leaves}.find(one => one.textContent === {json.dumps(page.click)}).click()")
            time.sleep(SETTLES_S)
        picture.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


def wait_until(is_so: Any, what: str, within_s: float) -> None:
    """Waits, or fails."""
    until = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(1)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that keeps nothing."""
    command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", "--remote-debugging-port=0"]
    chromium = subprocess.Popen(
        [*command, f"--user-data-dir={folder}", "about:blank"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert chromium.stderr
        port = next(found[1] for line in chromium.stderr if (found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line)))
        pages = requests.get(f"http://127.0.0.1:{port}/json", timeout=60).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None, open_timeout=60) as socket:
            yield Browser(socket)
    finally:
        chromium.terminate()
        chromium.wait()


@contextmanager
def dev(home: Path) -> Iterator[str]:
    """A running `dev`, with its address, once there is something to look at."""
    command = [sys.executable, "-m", "journey_pipeline.cli.main"]
    running = subprocess.Popen(
        [*command, "dev", "--port", "0", "--home", home, "--hurry"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stderr
        address = next(line.split()[1] for line in running.stderr if line.startswith("UI "))
        environment = {**os.environ, "JOURNEY_PIPELINE_HOME": str(home)}

        def is_loaded() -> bool:
            asked = [*command, "query", LOADED, "--format", "csv"]
            done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
            return done.returncode == 0 and done.stdout.split()[-1] == "4"

        click.echo("Waiting for four connections in the published file ...")
        wait_until(is_loaded, "four connections in the published file", 1200)
        yield address
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()


def write_report(lake: Lake, file: Path) -> Path:
    """Writes the page of the journey that most entered."""
    with published(lake) as answering:
        busiest = next(iter(ask_journeys(answering, Span())))
        named = f"{busiest['connection']}/{busiest['root']}"
        (written,) = write_journeys(answering, [named], Span(), lake.home, file)
        return written.file


def take_dev(page: Browser, home: Path, chosen: Sequence[str]) -> None:
    """Takes pages of the UI and the report of a running `dev`."""
    with dev(home) as address:
        landed = sorted(path.stem for path in (home / "events/sfmc/journey_history").glob("*.parquet"))
        days = sorted(path.stem for path in (home / "events/apsis/profile_events").glob("*.parquet"))
        names = {"hour": f"{landed[-1][:10]}-{landed[-1][11:]}:00", "day": days[0]}
        for name in [name for name in PAGES if name in chosen]:
            page.take(address + PAGES[name].path.format(**names), PAGES[name], PICTURES / f"{name}.png")
        if "report" in chosen:
            file = write_report(Lake(home), home / "report.html")
            page.take(file.as_uri(), Page("", ()), PICTURES / "report.png")


def printed_by_demo(home: Path) -> str:
    """The results of the vendors that `demo` prints on a terminal, with its codes for bold and colour."""
    printed = bytearray()

    def keep(terminal: int) -> bytes:
        printed.extend(read := os.read(terminal, 1 << 16))
        return read

    os.environ["COLUMNS"] = str(COLUMNS)
    pty.spawn([sys.executable, "-m", "journey_pipeline.cli.main", "demo", "--home", str(home)], keep)
    found = SHOWN.search(printed.decode().replace("\r\n", "\n"))
    assert found
    return found[0].rstrip()


def take_demo(page: Browser, folder: Path) -> None:
    """Takes what the demo prints, in the frame of a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("[bold]$ make demo[/bold]\n")
    console.print(Text.from_ansi(printed_by_demo(folder / "demo") + "\n"), soft_wrap=True)
    drawing = folder / "demo.svg"
    console.save_svg(str(drawing), title="journey_pipeline")
    size = re.search(r'viewBox="0 0 ([0-9]+)[^ ]* ([0-9]+)', drawing.read_text())
    assert size
    page.resize(int(size[1]), int(size[2]))
    page.take(drawing.as_uri(), Page("", ()), PICTURES / "demo.png")


def main() -> None:
    """Makes all pictures, or those that are named."""
    chosen = sys.argv[1:] or [*PAGES, "report", "demo"]
    with tempfile.TemporaryDirectory() as name, browser(Path(name) / "browser") as page:
        if {*chosen} - {"demo"}:
            take_dev(page, Path(name) / "home", chosen)
        if "demo" in chosen:
            take_demo(page, Path(name))


if __name__ == "__main__":
    main()
