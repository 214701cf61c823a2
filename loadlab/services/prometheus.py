"""A Prometheus of the lab's own: scrapes the trials of a run, and what it saw is kept."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import shutil
import signal
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from loadlab.errors import EnvironmentFaultError
from loadlab.services.secret_files import write_secret
from loadlab.system.packaged import packaged
from loadlab.system.ports import LOOPBACK, free_port, is_lost
from loadlab.system.processes import UNPRIVILEGED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.services.remote_write import RemoteWrite
    from loadlab.system.processes import Program, Register

PROGRAM: Final = "prometheus"
RULES: Final = packaged("dashboards") / "prometheus"
RULE_FILES: Final = ("recording.yml", "alerts.yml")
EVERY: Final = "1s"  # a trial may last no longer than a few
START_SECONDS: Final = 60.0  # it reads again what was kept
STOP_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
ATTEMPTS: Final = 3  # another program may take the port between our look and Prometheus' bind


def require_prometheus() -> str:
    """The program; nothing is started.

    Raises:
        EnvironmentFaultError: it is not installed.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise EnvironmentFaultError(
            "Prometheus is not installed. Install it (apt install prometheus, or brew install prometheus), remove"
            " --prometheus, or let your own Prometheus scrape the trials: docs/how-to/prometheus.md."
        )
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What a Prometheus is started for: to scrape the targets that `discovery` lists, and perhaps to send them on.

    Without a `discovery` it only shows what was kept.
    """

    discovery: str | None = None
    remote_write: RemoteWrite | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    port: int
    program: Program

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What an expression is worth now: labels and value of each series.

        Raises:
            EnvironmentFaultError: it does not answer.
        """
        found = _asked(self.port, f"/api/v1/query?{urlencode({'query': expression})}")
        if found is None:
            raise EnvironmentFaultError(f"Prometheus does not answer; its log ends:\n{self.program.log_tail()}")
        return [(series["metric"], float(series["value"][1])) for series in found["data"]["result"]]

    def last_scrapes(self, job: str) -> dict[str, float]:
        """When each target of a job was last scraped with success, in seconds since the epoch, by instance.

        Raises:
            EnvironmentFaultError: it does not answer.
        """
        series = self.query(f'timestamp(up{{job="{job}"}}) and up{{job="{job}"}} == 1')
        return {labels["instance"]: at for labels, at in series}

    def stop(self) -> None:
        """End it in order: it writes down what it has in memory, and sends on what it was told to."""
        self.program.stop(signal.SIGTERM, STOP_SECONDS)


@contextmanager
def prometheus(task: Task, register: Register, log: Path, *, kept: Path) -> Iterator[Prometheus]:
    """A Prometheus on loopback that goes on from the data in the folder `kept`, of which it works on a copy.

    Raises:
        EnvironmentFaultError: it is not installed, or does not start; with the tail of its log.
    """
    program = require_prometheus()
    home = register.folder / "prometheus"
    data = _copied(kept, home)
    _configure(task, home)
    running = _started(program, home, data, register, log)
    try:
        yield running
    finally:
        running.stop()
        if task.discovery is not None and _has_seen_any(data):
            _keep(data, kept)


def _copied(kept: Path, home: Path) -> Path:
    """The data where Prometheus may write: the run folder can be below one that is closed to ordinary users."""
    home.mkdir(mode=0o755)
    data = home / "data"
    if kept.is_dir():
        shutil.copytree(kept, data)
    else:
        data.mkdir()
    if os.getuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED)
        for path in (home, data, *data.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    return data


def _has_seen_any(data: Path) -> bool:
    """Whether there is anything in it that could be lost."""
    return any(segment.stat().st_size for segment in (data / "wal").glob("[0-9]*"))


def _keep(data: Path, kept: Path) -> None:
    """Put the data into the run folder, whole or not at all; there is none of a run that came to nothing."""
    if not kept.parent.is_dir():
        return
    draft = kept.with_name(f".{kept.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(data, draft, ignore=shutil.ignore_patterns("lock", "queries.active"))
    shutil.rmtree(kept, ignore_errors=True)
    draft.rename(kept)


def _configure(task: Task, home: Path) -> None:
    """Write its configuration: JSON, which is YAML too. A password goes into a file that only it can read."""
    configuration: dict[str, Any] = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": "5s"},
        "rule_files": [str(home / name) for name in RULE_FILES],
    }
    for name in RULE_FILES:
        write_secret(home / name, (RULES / name).read_text(), for_program=True)
    if task.discovery is not None:
        discovered = {"url": task.discovery, "refresh_interval": EVERY}
        configuration["scrape_configs"] = [{"job_name": "loadlab", "http_sd_configs": [discovered]}]
    if task.remote_write is not None:
        configuration["remote_write"] = [_sending(task.remote_write, home)]
    write_secret(home / "prometheus.yml", json.dumps(configuration), for_program=True)


def _sending(remote: RemoteWrite, home: Path) -> dict[str, Any]:
    if not remote.user:
        return {"url": remote.url}
    password = home / "password"
    write_secret(password, remote.password, for_program=True)
    return {"url": remote.url, "basic_auth": {"username": remote.user, "password_file": str(password)}}


def _started(program: str, home: Path, data: Path, register: Register, log: Path) -> Prometheus:
    for attempt in range(1, ATTEMPTS + 1):
        running = _launched(program, home, data, register, log)
        if _comes_up(running, home):
            return running
        running.program.kill()
        if attempt == ATTEMPTS or not is_lost(running.port, running.program.log_tail()):
            break
    raise EnvironmentFaultError(f"Prometheus did not start; its log, {log}, ends:\n{running.program.log_tail()}")


def _launched(program: str, home: Path, data: Path, register: Register, log: Path) -> Prometheus:
    port = free_port()
    argv = [
        program,
        f"--config.file={home / 'prometheus.yml'}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",  # or it would throw away what was kept of an old run
        "--storage.remote.flush-deadline=10s",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
    started = register.start("Prometheus", argv, log=log, environment=environment, privileged=False)
    return Prometheus(port=port, program=started)


def _comes_up(running: Prometheus, home: Path) -> bool:
    """Wait until it is ready; a stranger on its port has another configuration file."""
    deadline = time.monotonic() + START_SECONDS
    while running.program.running() and time.monotonic() < deadline:
        flags = _asked(running.port, "/api/v1/status/flags")
        if flags is not None and flags["data"]["config.file"] == str(home / "prometheus.yml"):
            return True
        time.sleep(POLL_SECONDS)
    return False


def _asked(port: int, path: str) -> dict[str, Any] | None:
    """The response of its API; None while there is none, as before it is ready."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_SECONDS)
    with closing(connection), suppress(OSError, http.client.HTTPException, ValueError):
        connection.request("GET", path)
        response = json.loads(connection.getresponse().read())
        if isinstance(response, dict) and response.get("status") == "success":
            return response
    return None
