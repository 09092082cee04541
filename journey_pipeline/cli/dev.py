"""`journey-pipeline dev`: sandbox, webserver and daemon together on this machine, until stopped.

Not here: the simulation (`sandbox/`), the code location that the webserver shows (`definitions.py`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from journey_pipeline.cli.demo import forget_the_last_sandbox, sandbox_environment, use_home_of_sandbox
from journey_pipeline.cli.output import notes
from journey_pipeline.cli.receiver import receiving
from journey_pipeline.cli.stopping import ends_by_itself
from journey_pipeline.components.deployment import is_in_project
from journey_pipeline.components.instance import use_dagster_home
from journey_pipeline.errors import ConfigError, text_of
from journey_pipeline.sandbox.server import serve
from journey_pipeline.sandbox.world import World

PATIENCE_S = 15.0


def dev(port: int, folder: str) -> None:
    """Run the sandbox, Dagster's webserver and its daemon."""
    if not is_in_project(Path.cwd()):
        raise ConfigError(
            "this folder is no Dagster project. Run it in a checkout of journey_pipeline, or in your own project."
        )
    _refuse_taken(port)
    use_home_of_sandbox(folder)
    use_dagster_home()
    forget_the_last_sandbox()
    with serve(World()) as sandbox, receiving() as hooks:
        os.environ.update(sandbox_environment(sandbox, hooks))
        environment = os.environ | {"VIRTUAL_ENV": sys.prefix}
        child = _start(port, environment)
        try:
            if _answers(port, child):
                said = f"UI http://127.0.0.1:{port}   sandbox {sandbox.url}   files {folder}   Ctrl-C stops all"
                notes.print(said, soft_wrap=True)
            code = child.wait()
        except KeyboardInterrupt:
            code = 0
        finally:
            _stop(child)
    sys.exit(code)


def _refuse_taken(port: int) -> None:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"the webserver can't listen on 127.0.0.1:{port} ({text_of(error)}). Stop what listens there, or choose "
            "another `--port`."
        ) from error


def _start(port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dagster_dg_cli.cli", "dev", "--log-level", "warning"]
    # Background jobs of a shell ignore Ctrl-C and hand that down; Dagster would then stop at no signal at all.
    ends_by_itself()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    # A session of its own, so that all of it can be ended together.
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [*command, "--host", "127.0.0.1", "--port", str(port)], env=environment, start_new_session=True
    )


def _answers(port: int, child: subprocess.Popen[bytes]) -> bool:
    """Waits until the webserver answers; False if it ended before."""
    while child.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.2)
    return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, ending)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.1)
