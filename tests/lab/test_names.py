"""What Django's connections do when their database's name is slow, unknown, or leads elsewhere after a failover."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from faulty_link import LOOPBACK, FaultyLink

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.services.external_database import Reference, external_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.lab import Lab

PROGRAM: Final = Path(__file__).with_name("named_database.py")
RESOLVER: Final = Path(__file__).parent.parent / "slow_resolver.c"
NAME: Final = "database.test"
SECONDS: Final = 1.0
ELSEWHERE: Final = "127.0.0.2"

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD, and 127.0.0.2 without being set up"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A running project, and its name service."""

    process: subprocess.Popen[str]
    folder: Path

    def ask(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        return told

    def name_leads_to(self, address: str) -> None:
        (self.folder / "address").write_text(address)

    def asked(self) -> int:
        """How often the name was looked up."""
        return len((self.folder / "asked").read_text())


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("resolver") / "resolver.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(RESOLVER), "-ldl"], check=True)
    return library


@pytest.fixture
def project(lab: Lab, resolver: Path, ledgers: Path, tmp_path: Path) -> Callable[..., Any]:
    @contextmanager
    def running(
        port: int, *, seconds: float = 0.0, address: str | None = LOOPBACK, **changes: Any
    ) -> Iterator[Project]:
        own: dict[str, Any] = lab.database.django()
        environment = {
            **os.environ,
            **lab.database.environment,
            "LOADLAB_LEDGER_DIR": str(ledgers),
            "LD_PRELOAD": str(resolver),
            "RESOLVER_ADDRESS": str(tmp_path / "address"),
            "RESOLVER_ASKED": str(tmp_path / "asked"),
            "RESOLVER_SECONDS": str(seconds),
        }
        # The password file is for the address that the lab knows.
        passwords = tmp_path / "passwords"
        line = Path(lab.database.environment["PGPASSFILE"]).read_text()
        passwords.write_text(line.replace(LOOPBACK, NAME, 1))
        passwords.chmod(0o600)
        entry = {**own, "HOST": NAME, "PORT": str(port), **changes}
        entry["OPTIONS"] = {**own["OPTIONS"], "passfile": str(passwords)}
        argv = [sys.executable, str(PROGRAM), json.dumps(entry)]
        if address:
            (tmp_path / "address").write_text(address)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(argv, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
            yield Project(process=process, folder=tmp_path)
            assert process.stdin is not None
            process.stdin.close()
            process.wait()

    return running


def test_a_slow_name_service_shows_in_the_time_to_connect(lab: Lab, project: Any) -> None:
    """And not in a query: who keeps a connection asks for the name once."""
    port = int(lab.database.parameters["port"])
    with project(port, seconds=SECONDS, CONN_MAX_AGE=None) as kept:
        told = [kept.ask() for _ in range(3)]
        assert [one["error"] for one in told] == [""] * 3
        assert kept.asked() == told[-1]["opened"] == 1
    assert told[0]["connect_seconds"] == told[-1]["connect_seconds"] >= SECONDS


def test_an_unknown_name_is_a_failed_attempt_to_connect(lab: Lab, project: Any) -> None:
    with project(int(lab.database.parameters["port"]), address=None) as lost:
        told = lost.ask()
    assert "could not translate host name" in told["error"] or "failed to resolve host" in told["error"]
    assert (told["opened"], told["errors"]) == (0, {"other": 1})


@pytest.mark.parametrize(("leave", "refusal"), [(False, UsageError), (True, EnvironmentFaultError)])
def test_an_unknown_name_ends_a_run_before_it_begins(
    leave: bool,  # noqa: FBT001
    refusal: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A name under .invalid is known to no name service."""
    monkeypatch.setenv("MY_DSN", "host=nowhere.invalid user=me dbname=shop")
    reference = Reference("env:MY_DSN", allow_remote=leave)
    with pytest.raises(refusal, match=r"nowhere\.invalid"), external_database(reference, tmp_path):
        pass


def test_after_a_failover_by_name_a_kept_connection_stays_where_it_was(lab: Lab, project: Any) -> None:
    """Until it breaks; who opens one for each request is on the new server at once."""
    server = int(lab.database.parameters["port"])
    with FaultyLink(server) as old, FaultyLink(server, host=ELSEWHERE, port=old.port) as new:
        with project(old.port, CONN_MAX_AGE=None) as kept:
            kept.ask()
            kept.name_leads_to(ELSEWHERE)
            assert [kept.ask()["error"] for _ in range(3)] == [""] * 3
            assert (old.accepted, new.accepted) == (1, 0)
            old.cut()
            assert kept.ask()["error"]
            assert kept.ask()["error"] == ""
            assert (old.accepted, new.accepted) == (1, 1)
        with project(old.port, CONN_MAX_AGE=0) as closing:
            closing.ask()
            closing.name_leads_to(ELSEWHERE)
            closing.ask()
        assert (old.accepted, new.accepted) == (2, 2)


BESIDE: Final = """
import sys
import time
from gevent import monkey
monkey.patch_all()
import gevent
from psycogreen.gevent import patch_psycopg
patch_psycopg()
driver = __import__(sys.argv[1])
ticks = [time.monotonic()]
def tick():
    while True:
        gevent.sleep(0.01)
        ticks.append(time.monotonic())
gevent.spawn(tick)
gevent.sleep(0.1)
driver.connect(sys.argv[2]).close()
gevent.sleep(0.1)
print(max(after - before for before, after in zip(ticks, ticks[1:])))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("driver", "blocks"), [("psycopg", False), ("psycopg2", True)])
def test_under_gevent_psycopg2_blocks_all_greenlets_while_it_looks_up_a_name(
    lab: Lab,
    resolver: Path,
    tmp_path: Path,
    driver: str,
    blocks: bool,  # noqa: FBT001
) -> None:
    """With psycogreen it waits for its socket beside the others, and the name is looked up before there is a socket."""
    seconds = 4.0
    (tmp_path / "address").write_text(LOOPBACK)
    environment = {
        **os.environ,
        **lab.database.environment,
        "LD_PRELOAD": str(resolver),
        "RESOLVER_ADDRESS": str(tmp_path / "address"),
        "RESOLVER_ASKED": str(tmp_path / "asked"),
        "RESOLVER_SECONDS": str(seconds),
    }
    parameters = {**lab.database.parameters, "host": NAME, "dbname": lab.database.name, "passfile": password(lab)}
    dsn = " ".join(f"{key}={value}" for key, value in parameters.items())
    done = subprocess.run(
        [sys.executable, "-c", BESIDE, driver, dsn], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (float(done.stdout) >= seconds) is blocks


def password(lab: Lab) -> str:
    """A password file for any host: the lab's names the address."""
    file = Path(lab.database.environment["PGPASSFILE"])
    anywhere = file.with_name("anywhere.pgpass")
    anywhere.touch(mode=0o600)
    anywhere.write_text(file.read_text().replace(LOOPBACK, "*", 1))
    return str(anywhere)
