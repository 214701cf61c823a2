"""Runs the services of compose.yml as plain processes of this machine.

Their command lines, environments, files and health checks are those of the file. What a container engine would do is
translated, and nothing else:

| in a container | here |
|---|---|
| the service's address, by its name, 0.0.0.0, 127.0.0.1 or localhost | another one in 127.0.0.0/8, same ports |
| a path of a mount, a volume, a tmpfs or a secret | the same path below a temporary folder, with translated copies |
| /app, where the image keeps the locustfiles | the repository |
| the image's programs | those of this machine, by the same names on PATH |
| the image's entrypoint | ENTRYPOINTS, and `_initialised` for PostgreSQL's |
| users | `nobody` for PostgreSQL and PgBouncer when we are root, ourselves otherwise |
| restarts, limits, capabilities, networks | not there |

Grafana is not run, nor is PgBouncer's exporter: `asks_pgbouncer.sh` stands in its place, and gets in where it would.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import yaml
from patience import await_that

from loadlab.services.postgresql_programs import embedded_programs
from loadlab.system.processes import Register, unprivileged
from loadlab.system.state_folder import let_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.system.processes import Program

REPOSITORY: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final = REPOSITORY / "compose"
COMMAND_SECONDS: Final = 300.0  # before a program that is to end fails its test
ENTRYPOINTS: Final = {
    "prom/prometheus": ["prometheus"],
    "prometheuscommunity/postgres-exporter": ["prometheus-postgres-exporter"],
}
UNPRIVILEGED: Final = {"postgres", "pgbouncer"}  # they refuse to run as root
HOST_VARIABLES: Final = {"PGHOST", "LOADLAB_SITE_HOSTS"}  # a name alone, without a port that would tell it from a word
OWN_ADDRESSES: Final = r"(?<![\w.])(?:0\.0\.0\.0|127\.0\.0\.1|localhost)(?![\w.])"
# `docker compose` knows more forms; compose.yml uses none of them.
VARIABLE: Final = re.compile(r"\$(?:(\$)|\{(\w+):\?[^}]*\})")


def made_secrets(folder: Path) -> dict[str, str]:
    """The variables that a user has after ./make-secrets in a copy of the folder."""
    for name in ("make-secrets", ".env.example"):
        shutil.copy2(COMPOSE / name, folder / name)
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    return variables_in((folder / ".env").read_text()) | {"LOADLAB_SECRETS": str(folder / "secrets")}


def variables_in(text: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in lines}


def stack(variables: Mapping[str, str]) -> dict[str, Any]:
    """compose.yml with its variables filled in; a variable that is missing or empty is a KeyError."""

    def filled(node: Any) -> Any:
        match node:
            case str():
                return VARIABLE.sub(lambda found: found[1] or _required(variables, found[2]), node)
            case list():
                return [filled(each) for each in node]
            case dict():
                return {key: filled(value) for key, value in node.items()}
        return node

    return filled(yaml.safe_load((COMPOSE / "compose.yml").read_text()))


def _required(variables: Mapping[str, str], name: str) -> str:
    if not variables.get(name):
        raise KeyError(name)
    return variables[name]


def seconds(duration: str) -> float:
    """What Compose writes as "30s"."""
    return float(duration.removesuffix("s"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A service that runs, and where."""

    name: str
    address: str
    root: Path
    service: Mapping[str, Any]
    environment: Mapping[str, str]
    program: Program

    def healthy(self, translated: Callable[[str], str]) -> bool:
        """Whether its own health check says so."""
        kind, *argv = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        done = subprocess.run(
            [translated(word) for word in argv], env=dict(self.environment), capture_output=True, check=False
        )
        return done.returncode == 0

    def stopped(self) -> int:
        """Stop it as `docker stop` does, and say how it ended; its end after the grace period fails."""
        self.program.popen.send_signal(signal.Signals[self.service["stop_signal"]])
        try:
            return self.program.popen.wait(seconds(self.service["stop_grace_period"]))
        finally:
            self.program.kill()


@dataclass(kw_only=True)
class Stack:
    """The services of compose.yml, started when they are asked for, and what they depend on before them."""

    services: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, Mapping[str, str]]
    register: Register
    folder: Path
    programs: Path  # in front of PATH
    network: str = field(default_factory=lambda: f"127.{random.randint(1, 254)}.{random.randint(1, 254)}")
    running: dict[str, Running] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)

    def address(self, name: str) -> str:
        return f"{self.network}.{list(self.services).index(name) + 10}"

    def start(self, name: str, replica: int = 1) -> Running:
        """Start the service once all is as its depends_on says, and wait until it is healthy."""
        key = name if replica == 1 else f"{name}-{replica}"
        if key in self.running:
            return self.running[key]
        for needed, how in self.services[name].get("depends_on", {}).items():
            self._satisfy(needed, how["condition"])
        started = self._started(name, key)
        self._await_health(started)
        return started

    def run_once(self, name: str) -> str:
        """Run a service that ends by itself; what it has said."""
        for needed, how in self.services[name].get("depends_on", {}).items():
            self._satisfy(needed, how["condition"])
        program = self._started(name, name).program
        assert program.popen.wait(COMMAND_SECONDS) == 0, program.log_tail()
        del self.running[name]
        self.finished.add(name)
        return program.log.read_text()

    def _satisfy(self, name: str, condition: str) -> None:
        if condition == "service_healthy":
            self.start(name)
        elif name not in self.finished:
            self.run_once(name)

    def _started(self, name: str, key: str) -> Running:
        service = self.services[name]
        root = self.folder / key
        root.mkdir()
        let_in(root)
        self._lay_out(name, root)
        environment = self._environment(name, root)
        if name == "postgres":
            self._initialised(root, environment)
        image = service["image"].partition(":")[0]
        argv = [*service.get("entrypoint", ENTRYPOINTS.get(image, [])), *service["command"]]
        program = self.register.start(
            key,
            [self.translated(word, name, root) for word in argv] + self._compiled_in(name, root),
            log=self.folder / f"{key}.log",
            environment=environment,
            folder=root,
            privileged=name not in UNPRIVILEGED,
        )
        self.running[key] = Running(
            name=name,
            address=self.address(name),
            root=root,
            service=service,
            environment=environment,
            program=program,
        )
        return self.running[key]

    def _await_health(self, started: Running) -> None:
        def translated(word: str) -> str:
            return self.translated(word, started.name, started.root)

        def healthy() -> bool:
            assert started.program.running(), started.program.log_tail()
            return started.healthy(translated)

        await_that(healthy, started.program.log_tail)

    def translated(self, text: str, name: str, root: Path) -> str:
        """A text of the service's as it is to be on this machine."""
        names = "|".join(map(re.escape, self.services))
        with_port = rf"(?<![\w.-])({names})(?=:\d)|(?<=host=)({names})(?![\w-])"
        text = re.sub(with_port, lambda found: self.address(found[0]), text)
        text = re.sub(OWN_ADDRESSES, self.address(name), text)
        places = "|".join(map(re.escape, sorted(self._places(name), reverse=True)))
        text = re.sub(rf"(?<![\w./])(?:{places})(?![\w-])", lambda found: f"{root}{found[0]}", text)
        return re.sub(r"(?<![\w./])/app/", f"{REPOSITORY}/", text)

    def _places(self, name: str) -> list[str]:
        """The paths of the service's container that are not its image's."""
        service = self.services[name]
        mounts = [PurePosixPath(mount.split(":")[1]) for mount in service.get("volumes", ())]
        memory = [PurePosixPath(mount.split(":")[0]) for mount in service.get("tmpfs", ())]
        folders = [mount.parent if mount.suffix else mount for mount in mounts]  # a file may be named by a pattern
        return list(map(str, [PurePosixPath("/run/secrets"), *folders, *memory]))

    def _lay_out(self, name: str, root: Path) -> None:
        """Make the folders of the container's, with translated copies of what is mounted."""
        service = self.services[name]
        for secret in service.get("secrets", ()):
            self._copy(Path(self.secrets[secret]["file"]), root / "run/secrets" / secret, name, root)
        for place in self._places(name):
            (root / place[1:]).mkdir(parents=True, exist_ok=True)
        for mount in service.get("volumes", ()):
            source, target = mount.split(":")[:2]
            if source.startswith("."):
                self._copy(COMPOSE / source, root / target[1:], name, root)
        if name in UNPRIVILEGED:
            _hand_over(root)

    def _copy(self, source: Path, target: Path, name: str, root: Path) -> None:
        assert source.exists(), source
        if source.is_dir():
            for path in filter(Path.is_file, source.rglob("*")):
                self._copy(path, target / path.relative_to(source), name, root)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.translated(source.read_text(), name, root))

    def _environment(self, name: str, root: Path) -> dict[str, str]:
        own = self.services[name].get("environment", {})
        return {
            "HOME": str(root),
            "LC_ALL": "C.UTF-8",
            "PATH": os.pathsep.join([str(self.programs), str(Path(sys.executable).parent), _usual_path()]),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            **{key: self._value(key, value, name, root) for key, value in own.items()},
        }

    def _value(self, key: str, value: str, name: str, root: Path) -> str:
        if key in HOST_VARIABLES:
            value = " ".join(self.address(word) if word in self.services else word for word in value.split())
        return self.translated(value, name, root)

    def _compiled_in(self, name: str, root: Path) -> list[str]:
        """What PostgreSQL's image has been built to know: where its data and its socket are."""
        if name != "postgres":
            return []
        return ["-D", str(root / "data"), "-c", f"unix_socket_directories={root / 'var/run/postgresql'}"]

    def _initialised(self, root: Path, environment: Mapping[str, str]) -> None:
        """What the entrypoint of PostgreSQL's image does in an empty volume."""
        data, password = root / "data", Path(environment["POSTGRES_PASSWORD_FILE"])

        def run(*argv: str) -> None:
            # PostgreSQL keeps what it writes to open as long as it lives: a pipe would never end.
            with (self.folder / "initialisation.log").open("ab") as log:
                subprocess.run(
                    argv,
                    env={**environment, "PGPASSWORD": password.read_text()},
                    check=True,
                    stdout=log,
                    stderr=log,
                    **unprivileged(),  # type: ignore[call-overload]
                )

        arguments = environment["POSTGRES_INITDB_ARGS"].split()
        run("initdb", f"--pgdata={data}", "--username=postgres", f"--pwfile={password}", "--no-sync", *arguments)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("\nhost all all all scram-sha-256\n")
        sockets = root / "var/run/postgresql"
        run("pg_ctl", "start", "--wait", "-D", str(data), "-o", f"-c listen_addresses= -k {sockets}")
        for script in sorted((root / "docker-entrypoint-initdb.d").glob("*.sql")):
            run("psql", f"--host={sockets}", "--username=postgres", "--no-psqlrc", "--quiet", f"--file={script}")
        run("pg_ctl", "stop", "--wait", "--mode=fast", "-D", str(data))


def _usual_path() -> str:
    return f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"


def _hand_over(root: Path) -> None:
    """Give the folder to the user that the service will run as."""
    owner = unprivileged()
    if owner:
        for path in (root, *root.rglob("*")):
            os.chown(path, int(str(owner["user"])), int(str(owner["group"])))


def missing_programs() -> list[str]:
    """What the stack needs and this machine lacks."""
    needed = ("prometheus", "pgbouncer", "prometheus-postgres-exporter", "wget")
    return [program for program in needed if shutil.which(program, path=_usual_path()) is None]


@contextmanager
def opened(variables: Mapping[str, str]) -> Iterator[Stack]:
    """The stack, with nothing started yet; everything that was started is gone afterwards."""
    whole = stack(variables)
    with Register.opened() as register:
        folder = register.folder / "stack"
        folder.mkdir()
        let_in(folder)
        programs = folder / "programs"
        programs.mkdir()
        let_in(programs)
        (programs / "pgbouncer_exporter").symlink_to(Path(__file__).with_name("asks_pgbouncer.sh"))
        for program in embedded_programs().iterdir():
            (programs / program.name).symlink_to(program)
        yield Stack(
            services=whole["services"],
            secrets=whole["secrets"],
            register=register,
            folder=folder,
            programs=programs,
        )
