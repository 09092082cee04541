"""What the receiver's page says to run and to configure works as it is written there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from journey_pipeline.cli.commands import RECEIVER_HOST, RECEIVER_PORT, exports, receiver
from journey_pipeline.exports.export import Verdict
from journey_pipeline_tests.exports.made_orders import export_of
from journey_pipeline_tests.receiver.conftest import Running, link

PAGE = (Path(__file__).parent.parent.parent / "docs/receiver.md").read_text()
COMMANDS: dict[str, click.Command] = {"receiver": receiver, "exports": exports}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_of_the_page_is_one_with_these_options() -> None:
    (unit,) = blocks("ini")
    started = re.findall(r"^ExecStart=\S*/(journey-pipeline .*)$", unit, re.MULTILINE)
    lines = [line for block in blocks("sh") for line in block.splitlines()] + started
    assert len(started) == 1
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program == "journey-pipeline"
        COMMANDS[name].make_context(name, arguments)


def test_the_page_names_each_verdict_and_the_place_where_the_receiver_listens() -> None:
    assert [verdict for verdict in Verdict if f"`{verdict}`" not in PAGE] == ["replayed", "unreadable"]
    assert PAGE.count(f"{RECEIVER_HOST}:{RECEIVER_PORT}") >= 3


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_a_call_through_nginx_as_the_page_sets_it_up_is_taken_and_its_path_is_logged_nowhere(
    running: Running, tmp_path: Path
) -> None:
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
    with subprocess.Popen(command) as nginx:
        try:
            export, body = running.ask(), json.dumps({"url": link()})
            through = [
                "curl",
                "-sS",
                "--retry",
                "20",
                "--retry-connrefused",
                "--retry-delay",
                "0",
                "-w",
                "%{http_code}",
            ]
            address = f"http://127.0.0.2:{port}/hooks/{export.hook}"
            done = subprocess.run([*through, "-d", body, address], check=True, capture_output=True, text=True)
            assert done.stdout == "{}200"
            large = subprocess.run([*through, "-d", "x" * 70_000, address], check=True, capture_output=True, text=True)
            assert large.stdout.endswith("413")
        finally:
            nginx.terminate()
    assert export_of(running.ledger, export.id).standing == "ready"
    logs = [path.read_text() for path in tmp_path.glob("*.log")]
    assert logs
    assert not any(str(export.hook) in log for log in logs)


def free_port() -> int:
    import socket  # noqa: PLC0415 - a port for nginx alone

    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return int(probe.getsockname()[1])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_the_unit_of_the_page_is_one(tmp_path: Path) -> None:
    (unit,) = blocks("ini")
    file = tmp_path / "journey-receiver.service"
    file.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", unit).replace("User=journeys", "User=root"))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert "journey-receiver.service" not in done.stderr, done.stderr
