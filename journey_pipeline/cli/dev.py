"""`journey-pipeline dev`: sandbox, webserver and daemon together on this machine, until stopped.

Dagster's own lines go to a file. Not here: the simulation (`sandbox/`), the code location that the webserver shows
(`definitions.py`), what the schedules do (`components/agenda.py`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NoReturn
from urllib.request import urlopen

from journey_pipeline.cli.demo import forget_the_last_sandbox, sandbox_environment, use_home_of_sandbox
from journey_pipeline.cli.output import notes
from journey_pipeline.cli.receiver import receiving
from journey_pipeline.cli.standard_streams import say_last
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.components.agenda import Agenda, Asked, asked_now, start
from journey_pipeline.components.alerts import URL_VARIABLE as ALERT_VARIABLE
from journey_pipeline.components.deployment import Deployment, is_in_project, load_deployment
from journey_pipeline.components.instance import open_instance
from journey_pipeline.components.runs import cancel_unfinished
from journey_pipeline.errors import ConfigError, text_of
from journey_pipeline.files import temporary_folder
from journey_pipeline.processes import running_in_group
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World
from journey_pipeline.settings import home, make_home
from journey_pipeline.signals import ENDINGS, ended_by

LOG_FILE = "dev.log"
LOG_LINES = 20
KILLED_WITHIN_S = 10.0  # a process that a disk keeps waiting can't even be killed
ROWS_PER_HOUR = 300  # the simulators make weeks of history while Dagster works beside them


def dev(port: int, folder: str, faults: Sequence[str], hurry: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run the sandbox, Dagster's webserver and its daemon."""
    if not is_in_project(Path.cwd()):
        raise ConfigError(
            "this folder is no Dagster project. Run it in a checkout of journey_pipeline, or in your own project."
        )
    port = _free(port)
    use_home_of_sandbox(folder)
    log = make_home() / LOG_FILE
    ends_by_itself()
    # Dagster below would stop at no signal that a shell made a background job ignore.
    with ended_by(signal.default_int_handler):
        try:
            notes.say("Starting Dagster ...")
            _run(port, log, faults, hurry=hurry)
            _show_end(log)
        except KeyboardInterrupt:
            _leave()
    sys.exit(1)


def _run(port: int, log: Path, faults: Sequence[str], *, hurry: bool) -> None:
    """Runs all of it until Dagster ends."""
    world = World(rows_per_hour=ROWS_PER_HOUR, names="plausible")
    with serve(world, faults=faults) as sandbox, receiving() as hooks:
        os.environ.update(sandbox_environment(sandbox, hooks))
        forget_the_last_sandbox()
        with _alerts_shown(), _dagster(port, log) as child:
            deployment = load_deployment()  # while Dagster starts
            coming = Agenda.of(deployment, datetime.now(UTC))
            asked = _asked_now(deployment) if hurry else []
            if _answers(port, child):
                _say_where(port, sandbox.url, log)
                _start(asked, port)
                _say_next(coming)
            child.wait()


def _leave() -> NoReturn:
    """Ends the process at once: all is put away, but a sandbox's answer may still be made in a thread."""
    say_last("Stopped.")
    os._exit(0)


def _free(port: int) -> int:
    """The port, if nothing listens there; a free one for 0."""
    try:
        with socket.create_server(("127.0.0.1", port)) as listener:
            return int(listener.getsockname()[1])
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"the webserver can't listen on 127.0.0.1:{port} ({text_of(error)}). Stop what listens there, or choose "
            "another `--port`."
        ) from error


@contextmanager
def _dagster(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Webserver and daemon; at the end they, their runs and their temporary files are gone.

    They are killed: told to end they take many seconds, and nothing that is landed depends on how a process ends. If
    this process is killed itself, Linux tells them to end.
    """
    command = [*_bound(), sys.executable, "-m", "dagster_dg_cli.cli", "dev", "--no-check-yaml"]
    with (
        open_instance() as instance,
        temporary_folder("journey-dev-") as left,
        log.open("wb") as lines,
    ):
        child = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*command, "--log-level", "warning", "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | {"VIRTUAL_ENV": sys.prefix, "TMPDIR": str(left)},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,  # so that all of it can be ended together
        )
        try:
            yield child
        finally:
            for ending in ENDINGS:
                signal.signal(ending, signal.SIG_IGN)  # it is being done
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            patience = time.monotonic() + KILLED_WITHIN_S
            while (child.poll() is None or running_in_group(child.pid)) and time.monotonic() < patience:
                time.sleep(0.05)
            cancel_unfinished(instance)


def _bound() -> list[str]:
    """The words before a command by which it is told to end once this process is dead; none where Linux lacks the tool.

    BusyBox's does not have the option.
    """
    words = ["setpriv", "--pdeathsig", "TERM"]
    with suppress(FileNotFoundError):
        if not subprocess.run([*words, "true"], capture_output=True, check=False).returncode:  # noqa: S603 - our words
            return words
    return []


def _answers(port: int, child: subprocess.Popen[bytes]) -> bool:
    """Waits until the webserver answers; False if it ended before."""
    while child.poll() is None:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/server_info", timeout=1):
            return True
        time.sleep(0.2)
    return False


class _Alerts(BaseHTTPRequestHandler):
    """Shows each alert that Dagster's sensors send."""

    def do_POST(self) -> None:
        alert = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        notes.say(f"{datetime.now(UTC):%H:%M:%S} {alert['title']}: {alert['text']}")
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


@contextmanager
def _alerts_shown() -> Iterator[None]:
    """Shows alerts here, unless they go to an address of the person's own."""
    if os.environ.get(ALERT_VARIABLE, "").strip():
        yield
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), _Alerts) as server:
        os.environ[ALERT_VARIABLE] = "http://{}:{}/".format(*server.server_address[:2])
        # It looks only so often whether it is to end.
        threading.Thread(target=server.serve_forever, args=(0.1,), name="alerts", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


def _say_where(port: int, sandbox: str, log: Path) -> None:
    notes.say(
        f"UI       http://127.0.0.1:{port}\n"
        f"sandbox  {sandbox}\n"
        f"files    {os.path.relpath(home())}\n"
        f"log      {os.path.relpath(log)}\n"
        "Ctrl-C stops all."
    )


def _asked_now(deployment: Deployment) -> list[Asked]:
    with open_instance() as instance:
        return asked_now(deployment, instance)


def _start(asked: Sequence[Asked], port: int) -> None:
    if asked:
        notes.say("\nStarted at once")
    for line in start(asked, port):
        notes.say(f"  {line}")


def _say_next(coming: Agenda) -> None:
    notes.say("\nWhat comes next, UTC")
    for due in coming.loads:
        notes.say(f"  {due.at:%a %H:%M}  {due.what}: {', '.join(due.streams)}")
    for interval_s, sensors in sorted(coming.sensors.items()):
        notes.say("\n".join([f"  each {interval_s} s", *(f"    {says}" for says in sensors)]))
    notes.say(f"  {coming.others} more schedules check, sweep and list: see Automation in the UI")


def _show_end(log: Path) -> None:
    """Says why Dagster ended by itself."""
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    notes.say("Dagster ended by itself. It said:\n" + "\n".join(f"  {line}" for line in lines))
