"""The sandbox as a running server: all vendors on one port, for the command line and for tests.

Not here: what is served (`sandbox.py`), the routes to steer it from outside (`admin.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from journey_pipeline.errors import ConfigError, text_of
from journey_pipeline.files import temporary_folder
from journey_pipeline.sandbox.admin import Admin
from journey_pipeline.sandbox.clock import SandboxClock
from journey_pipeline.sandbox.options import SandboxOptions
from journey_pipeline.sandbox.registry import FileHost
from journey_pipeline.sandbox.sandbox import Sandbox
from journey_pipeline.sandbox.wire import EXTENSION
from journey_pipeline.sandbox.world import World
from journey_pipeline.signals import ended_by

DEFAULT_HOST = "127.0.0.1"
_TICK_S = 0.1  # what uvicorn's ticks count in
_GRACE_S = 1.0  # for answers under way to notice that their connection is gone


def build_app(sandbox: Sandbox) -> ASGIApp:
    """The sandbox as an ASGI application; needs the protocol that `serve` and `run` bring."""
    app = Starlette(
        routes=[
            Mount("/_sandbox", routes=Admin(sandbox).routes()),
            *(Mount(f"/{name}", routes=simulator.routes()) for name, simulator in sandbox.simulators.items()),
            *(route for one in sandbox.simulators.values() if isinstance(one, FileHost) for route in one.root_routes()),
        ]
    )
    return _quiet(_Dated(app, sandbox.clock))


def _quiet(app: ASGIApp) -> ASGIApp:
    """Ends a call that is cancelled without a word: only `shutdown` cancels, and the caller is gone by then."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


class _Dated:
    """Dates answers by the sandbox's clock, as a vendor's server does by its own."""

    def __init__(self, app: ASGIApp, clock: SandboxClock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._clock.now(), usegmt=True)
                message["headers"] = [*message["headers"], (b"date", date.encode())]
            await send(message)

        await self._app(scope, receive, dated)


@contextlib.contextmanager
def serve(
    world: World | None = None,
    *,
    clock: SandboxClock | None = None,
    options: SandboxOptions | None = None,
    faults: Sequence[str] = (),
    cache_dir: Path | None = None,
    host: str = DEFAULT_HOST,
    port: int = 0,
) -> Iterator[Sandbox]:
    """Serves the sandbox from a thread for as long as the block runs.

    Args:
        world: As for `Sandbox`.
        clock: As for `Sandbox`.
        options: As for `Sandbox`.
        faults: As for `Sandbox`.
        cache_dir: For prepared answers; a temporary folder if None.
        port: To listen on; a free one if 0.

    Raises:
        ConfigError: If the port is taken or a fault rule is wrong.
    """
    with _sandbox(world, clock, options, faults, cache_dir) as sandbox, _listening(host, port) as listener:
        server = _server(sandbox, listener)
        thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
        thread.start()
        try:
            yield sandbox
        finally:
            server.stop()
            thread.join()


def run(
    host: str = DEFAULT_HOST,
    port: int = 0,
    *,
    world: World | None = None,
    clock: SandboxClock | None = None,
    options: SandboxOptions | None = None,
    faults: Sequence[str] = (),
    cache_dir: Path | None = None,
    on_ready: Callable[[Sandbox], None] = lambda _: None,
) -> None:
    """Serves the sandbox until Ctrl-C, SIGTERM or a closed terminal. They end it at once and cleanly, downloads too.

    Args:
        port: To listen on; a free one if 0.
        world: As for `Sandbox`.
        clock: As for `Sandbox`.
        options: As for `Sandbox`.
        faults: As for `Sandbox`.
        cache_dir: For prepared answers; a temporary folder if None.
        on_ready: Called once, when calls are taken.

    Raises:
        ConfigError: If the port is taken or a fault rule is wrong.
    """
    with _sandbox(world, clock, options, faults, cache_dir) as sandbox, _listening(host, port) as listener:
        server = _server(sandbox, listener)
        # A signal that comes before the server looks for one must not be lost either.
        with server.capture_signals():
            on_ready(sandbox)
            server.run([listener])


class _Protocol(HttpToolsProtocol):
    """Hands the connection to the application: a fault must be able to break it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False  # queries hold links' signatures, however another library sets up logging

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.transport}  # type: ignore[dict-item]


class _Server(uvicorn.Server):
    """Ends at the first signal and doesn't raise it again: being stopped is how a sandbox ends well."""

    def __init__(self, config: uvicorn.Config, sandbox: Sandbox) -> None:
        super().__init__(config)
        self.sandbox = sandbox
        self._stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Ends it, from any thread."""
        self.should_exit = True
        if self._loop:
            self._loop.call_soon_threadsafe(self._stopped.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with ended_by(lambda *_: self.stop()):
            yield

    async def main_loop(self) -> None:
        """As uvicorn's, but `stop` wakes it."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drops the connections instead of waiting for what is on them."""
        self.sandbox.close()
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if answering := list(self.server_state.tasks):
            _, late = await asyncio.wait(answering, timeout=_GRACE_S)
            for task in late:
                task.cancel()


@contextlib.contextmanager
def _sandbox(
    world: World | None,
    clock: SandboxClock | None,
    options: SandboxOptions | None,
    faults: Sequence[str],
    cache_dir: Path | None,
) -> Iterator[Sandbox]:
    with temporary_folder("journey-sandbox-", cache_dir) as folder:
        yield Sandbox(world, clock=clock, options=options, faults=faults, folder=folder)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that takes connections at once, before the server looks at them."""
    try:
        listener = socket.create_server((host, port), backlog=256)
    except OSError as error:
        raise ConfigError(
            f"the sandbox can't listen on {host}:{port}: {text_of(error)}. Stop what listens there, or choose another "
            "port, 0 for any free one."
        ) from error
    with listener:
        yield listener


def _server(sandbox: Sandbox, listener: socket.socket) -> _Server:
    host, port = listener.getsockname()[:2]
    sandbox.url = f"http://{host}:{port}"
    config = uvicorn.Config(
        build_app(sandbox),
        loop="asyncio",  # its sockets can be reset; the body's bytes are what takes time, not the loop
        http=_Protocol,
        ws="none",
        lifespan="off",
        date_header=False,
        log_config=None,
        access_log=False,
    )
    return _Server(config, sandbox)
