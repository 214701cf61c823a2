"""A PostgreSQL that speaks German: what kept a connection from being opened is known all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Any, Final

import psycopg
import psycopg2
import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation.connect_errors import kind_of
from loadlab.model.metrics import ConnectError
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS: Final = Path("/usr/lib/postgresql/15/bin")
CATALOGUE: Final = Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")
LOCALE: Final = "de_DE.UTF-8"
ROOM: Final = 5
SETTINGS: Final = {
    "max_connections": ROOM,
    "superuser_reserved_connections": 1,
    "max_wal_senders": 0,
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
}
RULES: Final = f"host all strict {LOOPBACK}/32 scram-sha-256\nhost all all {LOOPBACK}/32 trust\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PROGRAMS.is_dir() and CATALOGUE.exists() and shutil.which("localedef")),
        reason="Debian's PostgreSQL 15 with its translations, and localedef, are not installed",
    ),
]


class German:
    """The server, as one who connects to it sees it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process

    def connect(self, driver: Any, user: str = "postgres", **more: str) -> Any:
        return driver.connect(host=LOOPBACK, port=self.port, dbname="postgres", user=user, **more)

    def refusal(self, driver: Any, user: str = "postgres", **more: str) -> BaseException:
        with pytest.raises(driver.OperationalError) as raised:
            self.connect(driver, user, **more)
        return raised.value

    def answers(self) -> bool:
        try:
            self.connect(psycopg2).close()
        except psycopg2.OperationalError:
            return False
        return True


@pytest.fixture(params=["C", LOCALE], ids=["without umlauts", "with umlauts"])
def german(request: pytest.FixtureRequest) -> Iterator[German]:
    """Runs as an ordinary user, in its own folder."""
    folder = Path(tempfile.mkdtemp(prefix="loadlab-german-", dir="/var/tmp"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    port = free_port()
    environment = {"PATH": os.environ["PATH"], "LOCPATH": str(folder / "locales")}

    def run(*argv: object) -> None:
        subprocess.run(list(map(str, argv)), cwd=folder, user=user, env=environment, check=True, capture_output=True)

    try:
        run("mkdir", folder / "locales")
        run("localedef", "-i", "de_DE", "-f", "UTF-8", folder / "locales" / LOCALE)
        languages = (f"--locale={request.param}", f"--lc-messages={LOCALE}")
        run(PROGRAMS / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", *languages)
        (folder / "data" / "pg_hba.conf").write_text(RULES)
        settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
        argv = [PROGRAMS / "postgres", "-D", folder / "data", "-p", str(port), *settings]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(argv, cwd=folder, user=user, env=environment, stdout=log, stderr=log)
        try:
            server = German(port, process)
            await_that(server.answers)
            yield server
        finally:
            process.send_signal(SIGINT)
            process.wait(PATIENCE_SECONDS)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("driver", [psycopg2, psycopg], ids=lambda driver: driver.__name__)
def test_the_kind_of_a_refusal_is_known_in_german(german: German, driver: Any) -> None:
    with closing(german.connect(psycopg2)) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE ROLE strict LOGIN PASSWORD 'x'; CREATE ROLE plain LOGIN; CREATE ROLE mute")
    refused = german.refusal(driver, "strict", password="y")
    assert "fehlgeschlagen" in str(refused)  # or else nothing is tried here
    assert kind_of(refused) is ConnectError.AUTHENTICATION
    for user in ("mute", "unknown"):
        assert kind_of(german.refusal(driver, user)) is ConnectError.AUTHENTICATION
    with ExitStack() as held:
        for _ in range(ROOM - 1):
            held.enter_context(closing(german.connect(psycopg2, "plain")))
        assert kind_of(german.refusal(driver, "plain")) is ConnectError.TOO_MANY_CONNECTIONS  # those left are reserved
        held.enter_context(closing(german.connect(psycopg2)))
        assert kind_of(german.refusal(driver)) is ConnectError.TOO_MANY_CONNECTIONS
    await_that(german.answers)
    with closing(german.connect(psycopg2)):
        german.process.send_signal(SIGTERM)  # it waits for this connection, and accepts no other
        await_that(lambda: not german.answers())
        assert kind_of(german.refusal(driver)) is ConnectError.STARTING
    german.process.wait(PATIENCE_SECONDS)
    assert kind_of(german.refusal(driver)) is ConnectError.REFUSED
