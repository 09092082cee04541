"""What the receiver's page says to run and to configure works as it is written there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from journey_pipeline.cli.commands import RECEIVER_HOST, RECEIVER_PORT, exports, receiver
from journey_pipeline.exports.export import Verdict
from journey_pipeline_tests.clients.installed import need
from journey_pipeline_tests.exports.made_orders import export_of
from journey_pipeline_tests.receiver.conftest import Running, link

PAGE = (Path(__file__).parent.parent.parent / "docs/receiver.md").read_text()
COMMANDS: dict[str, click.Command] = {"receiver": receiver, "exports": exports}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_of_the_page_is_one_with_these_options() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program == "journey-pipeline"
        COMMANDS[name].make_context(name, arguments)


def test_the_page_names_each_verdict_and_the_place_where_the_receiver_listens() -> None:
    assert [verdict for verdict in Verdict if f"`{verdict}`" not in PAGE] == ["replayed", "unreadable"]
    assert PAGE.count(f"{RECEIVER_HOST}:{RECEIVER_PORT}") >= 3


def test_a_call_through_nginx_as_the_page_sets_it_up_is_taken_and_its_path_is_logged_nowhere(
    running: Running, tmp_path: Path
) -> None:
    need(shutil.which("nginx"), "The page's site needs nginx, such as Debian's nginx-light")
    port = free_port()
    (site,) = blocks("nginx")
    site = re.sub(r"\n *ssl_certificate.*;", "", site).replace("443 ssl", f"127.0.0.2:{port}")
    site = site.replace(f":{RECEIVER_PORT};", f":{running.port};\nproxy_bind 127.0.0.2;")
    site = site.replace("/var/log/nginx/", f"{tmp_path}/")
    config = tmp_path / "nginx.conf"
    kept = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log info; events {{}}\n"
        f"http {{ access_log {tmp_path}/access.log; {kept}\n{site} }}"
    )
    command = ["nginx", "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    check_proxy(running, command, port, logs=tmp_path)


def test_a_call_through_caddy_as_the_page_sets_it_up_is_taken_and_its_path_is_logged_nowhere(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(shutil.which("caddy"), "The page's site needs Caddy, such as Debian's caddy")
    port = free_port()
    (site,) = blocks("caddyfile")
    site = site.replace("hooks.example.com {", f"http://:{port} {{\nbind 127.0.0.2")
    site = site.replace(f"127.0.0.1:{RECEIVER_PORT}", f"127.0.0.1:{running.port}")
    site = site.replace("{\n", "{\nadmin off\n", 1).replace("exclude", f"output file {tmp_path}/caddy.log\nexclude")
    config = tmp_path / "Caddyfile"
    config.write_text(site)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    command = ["caddy", "run", "--config", str(config), "--adapter", "caddyfile"]
    check_proxy(running, command, port, logs=tmp_path, too_large=("413", "502"))  # the latter by Caddy 2.6


def sent(port: int, path: str, *more: str) -> str:
    """What a proxy answers, with its status."""
    command = ["curl", "-sS", "-m", "20", "-w", "%{http_code}", *more, f"http://127.0.0.2:{port}{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check_proxy(
    running: Running, command: Sequence[str], port: int, *, logs: Path, too_large: Sequence[str] = ("413",)
) -> None:
    """A call through a proxy is taken, one that is too large is not, and no log has its path."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as proxy:
        try:
            export = running.ask()
            hook, elsewhere = f"/hooks/{export.hook}", "/health"
            patience = ("--retry", "20", "--retry-connrefused", "--retry-delay", "0")  # until the proxy is up
            assert sent(port, hook, "-d", json.dumps({"url": link()}), *patience) == "{}200"
            assert sent(port, hook, "-d", "x" * 70_000)[-3:] in too_large
            assert sent(port, elsewhere)[-3:] == "404"
        finally:
            proxy.terminate()
    assert export_of(running.ledger, export.id).standing == "ready"
    said = [path.read_text() for path in logs.glob("*.log")]
    assert said
    assert not any(str(export.hook) in log for log in said)


def free_port() -> int:
    import socket  # noqa: PLC0415 - a port for the proxies alone

    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return int(probe.getsockname()[1])
