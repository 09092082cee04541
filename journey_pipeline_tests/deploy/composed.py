"""The services of `deploy/compose/compose.yaml` as processes of this machine: the same commands, files and addresses.

Each has mounts of its own below `/var/lib`, and all share one network, in which each service's name is 127.0.0.1. What
only Docker knows (images, users, restarts) is not tried here. It needs root, for the network and the mounts.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from journey_pipeline_tests.exports.conftest import USER, postgres_tool

FOLDER = Path(__file__).parents[2] / "deploy/compose"
PATIENCE_S = 200.0
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
_MOUNTED = """
ip link set lo up
mount --bind "$HOSTS" /etc/hosts
mount -t tmpfs none /var/lib
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir -p "$2"; else mkdir -p "$(dirname "$2")"; touch "$2"; fi
  mount --bind "$1" "$2"
  shift 2
done
shift
exec setpriv --pdeathsig TERM "$@"
"""

Service = Mapping[str, Any]


def variables(file: Path) -> dict[str, str]:
    """The variables of an environment file, as they stand there."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def services(given: Mapping[str, str]) -> dict[str, Service]:
    """The services of the file, with variables filled in as Compose does.

    Raises:
        KeyError: If a variable is missing that the file needs.
    """

    def value(found: re.Match[str]) -> str:
        name, sign, other = found.groups()
        return given.get(name) or (other if sign == "-" else given[name])

    text = (FOLDER / "compose.yaml").read_text()
    found: dict[str, Service] = yaml.safe_load(_VARIABLE.sub(value, text))["services"]
    return found


def environment_of_the_image() -> dict[str, str]:
    """The variables that the Dockerfile sets."""
    (block,) = re.findall(r"^ENV (.*?[^\\])$", (FOLDER / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    found = dict(re.findall(r"(\w+)=(\S+)", block))
    return found | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass
class Composed:
    """Services that run; each volume is a folder of its name below `folder`."""

    folder: Path
    services: Mapping[str, Service]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    healthy: set[str] = field(default_factory=set)

    def start(self, name: str, network: int) -> None:
        """Starts a service once those are healthy that it depends on."""
        service = self.services[name]
        for other in service.get("depends_on", ()):
            self.wait_until_healthy(other)
        mounts = [word for source, target in self._mounts(service) for word in (str(source), target)]
        command = ["nsenter", f"--net=/proc/{network}/ns/net", "unshare", "--mount", "sh", "-ec", _MOUNTED, "sh"]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                [*command, *mounts, "--", *service["command"]], env=self._environment(service), stdout=log, stderr=log
            )

    def run(self, name: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command beside a service, as `docker compose exec` does."""
        inside = ["nsenter", f"--target={self.running[name].pid}", "--net", "--mount", *command]
        environment = self._environment(self.services[name])
        return subprocess.run(inside, env=environment, cwd="/", capture_output=True, text=True, check=False)

    def wait_until_healthy(self, name: str) -> None:
        """Asks for a service's health, as Docker does, until it is well."""
        if name in self.healthy:
            return
        check = self.services[name]["healthcheck"]
        _, *asked = check["test"]

        def is_well() -> bool:
            assert self.running[name].poll() is None, self.log(name)
            return self.run(name, asked).returncode == 0

        assert self.eventually(is_well, every_s=int(check["start_interval"].removesuffix("s"))), self.log(name)
        self.healthy.add(name)

    @staticmethod
    def eventually(holds: Callable[[], bool], every_s: float = 1) -> bool:
        """Waits until something holds, within reason."""
        deadline = time.monotonic() + PATIENCE_S
        while not (held := holds()) and time.monotonic() < deadline:
            time.sleep(every_s)
        return held

    def log(self, name: str) -> str:
        """What a service has written."""
        return (self.folder / f"{name}.log").read_text()

    def _mounts(self, service: Service) -> Iterator[tuple[Path, str]]:
        for mounted in service.get("volumes", ()):
            source, target = mounted.split(":")[:2]
            place = FOLDER / source if source.startswith(".") else self.folder / source
            if not source.startswith("."):
                place.mkdir(mode=0o700, exist_ok=True)
            yield place, target

    def _environment(self, service: Service) -> dict[str, str]:
        given = environment_of_the_image() | {"HOSTS": str(self.folder / "hosts"), "HOME": str(self.folder)}
        for file in service.get("env_file", ()):
            given |= variables(FOLDER / file["path"])
        return given | {name: str(value) for name, value in service.get("environment", {}).items()}


@contextmanager
def composed(folder: Path, given: Mapping[str, str]) -> Iterator[Composed]:
    """Runs all services of the file, each one healthy, until the block ends."""
    (folder / "hosts").write_text("127.0.0.1 localhost " + " ".join(services(given)) + "\n")
    with ExitStack() as ending:
        holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"])
        ending.callback(holder.wait)
        ending.callback(holder.kill)
        running = Composed(folder, services(given))
        ending.callback(_end, running)
        _start_postgres(running, holder.pid)
        for name in sorted(running.services, key=lambda name: len(_needs(running.services, name))):
            if name != "postgres":
                running.start(name, holder.pid)
        for name in running.services:
            running.wait_until_healthy(name)
        yield running


def _needs(all_services: Mapping[str, Service], name: str) -> set[str]:
    direct = set(all_services[name].get("depends_on", ()))
    return direct.union(*(_needs(all_services, other) for other in direct))


def _start_postgres(running: Composed, network: int) -> None:
    """Debian's server instead of the image, set up from the same variables and files."""
    place = running.folder / "postgres"
    place.mkdir()
    place.chmod(0o777)
    given = running.services["postgres"]["environment"]
    (place / "password").write_text(given["POSTGRES_PASSWORD"])
    as_nobody = ["setpriv", f"--reuid={USER}", "--clear-groups", "--pdeathsig=TERM"]
    made = [str(postgres_tool("initdb")), f"--pgdata={place}/data", f"--username={given['POSTGRES_USER']}", "--no-sync"]
    made += ["--auth=scram-sha-256", f"--pwfile={place}/password"]
    subprocess.run([*as_nobody, *made], check=True, capture_output=True)
    served = [str(postgres_tool("postgres")), "-D", f"{place}/data", "-k", str(place), "-c", "fsync=off"]
    inside = ["nsenter", f"--net=/proc/{network}/ns/net", "sh", "-ec", 'ip link set lo up; exec "$@"', "sh"]
    service = dict(running.services["postgres"])
    # PostgreSQL's own tools take the password from here; the image trusts its own machine.
    service["environment"] = given | {"PGPASSWORD": given["POSTGRES_PASSWORD"], "PGHOST": "127.0.0.1"}
    running.services = {**running.services, "postgres": service}
    with (running.folder / "postgres.log").open("wb") as log:
        running.running["postgres"] = subprocess.Popen([*inside, *as_nobody, *served], stdout=log, stderr=log, cwd="/")
    running.wait_until_healthy("postgres")
    psql = ["psql", f"--username={given['POSTGRES_USER']}", "--set=ON_ERROR_STOP=1"]
    created = f"--command=create database {given['POSTGRES_DB']}"
    for more in ("--dbname=postgres", created), ("--dbname=dagster", f"--file={FOLDER}/databases.sql"):
        done = running.run("postgres", [*psql, *more])
        assert done.returncode == 0, done.stderr


def _end(running: Composed) -> None:
    """Ends all services; PostgreSQL last, which others need until then."""
    for name, process in running.running.items():
        if name != "postgres":
            process.terminate()
    for process in reversed(running.running.values()):
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
