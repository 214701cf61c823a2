"""TLS: which programs can serve it, who may read its key, and what a report says of it."""

from __future__ import annotations

import os
import pwd
import shutil
from typing import TYPE_CHECKING, Final

import pytest
from laboratory import Quiet

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.environment import environment
from loadlab.lab.opening import open_lab
from loadlab.model.plan import DatabaseOptions, Plan
from loadlab.services import encryption
from loadlab.services.encryption import make_certificate, programs_with_tls
from loadlab.services.postgresql_programs import embedded_programs
from loadlab.system.processes import UNPRIVILEGED, Register, unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process

# What `postgres --describe-config` says of a setting: its name first, its default in the fifth column.
POSTGRES: Final = (
    "#!/bin/sh\nprintf 'ssl_ciphers\\tsighup\\tConnections\\tSTRING\\t{ciphers}\\t\\t\\tAllowed ciphers\\n'\n"
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that an ordinary user may enter, as pytest's own may not be."""
    with Register.opened() as register:
        yield register.folder


@pytest.fixture
def system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system without any PostgreSQL: what a test puts into this folder is all that is installed."""
    monkeypatch.setattr(encryption, "INSTALLED", folder)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(path: Path, text: str) -> None:
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    path.write_text(text)
    path.chmod(0o755)


def install(folder: Path, *, tls: bool) -> Path:
    program(folder / "initdb", "#!/bin/sh\n")
    program(folder / "postgres", POSTGRES.format(ciphers="HIGH:MEDIUM" if tls else "none"))
    return folder


def test_the_newest_that_speaks_tls_is_taken(system: Path) -> None:
    install(system / "9.6" / "bin", tls=True)
    newest = install(system / "15" / "bin", tls=True)
    install(system / "18" / "bin", tls=False)
    assert programs_with_tls() == newest


def test_the_one_that_pg_config_names_goes_before(system: Path) -> None:
    install(system / "15" / "bin", tls=True)
    chosen = install(system / "opt" / "postgresql", tls=True)
    program(system / "pg_config", f"#!/bin/sh\necho {chosen}\n")
    assert programs_with_tls() == chosen


def test_a_pg_config_of_the_client_library_alone_leads_nowhere(system: Path) -> None:
    newest = install(system / "15" / "bin", tls=True)
    program(system / "pg_config", f"#!/bin/sh\necho {system}/16/bin\n")
    assert programs_with_tls() == newest


def test_without_any_the_remedy_is_named(system: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"apt install postgresql\), or give a database .* with --dsn"):
        programs_with_tls()


def test_the_programs_of_the_wheel_are_known_to_speak_none(system: Path) -> None:
    (system / "18").mkdir()
    (system / "18").chmod(0o755)
    (system / "18" / "bin").symlink_to(embedded_programs())
    with pytest.raises(EnvironmentFaultError, match=r"looked at: .*/18/bin"):
        programs_with_tls()


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs PostgreSQL as another user")
def test_programs_that_an_ordinary_user_cannot_reach_are_passed_over(system: Path) -> None:
    install(system / "16" / "bin", tls=True).chmod(0o700)
    reachable = install(system / "15" / "bin", tls=True)
    assert programs_with_tls() == reachable


def test_without_openssl_the_remedy_is_named(system: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="apt install openssl"):
        make_certificate(system)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on PATH: apt install openssl")
def test_the_key_is_for_the_servers_user_alone(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    user = pwd.getpwnam(UNPRIVILEGED).pw_uid if unprivileged() else os.getuid()
    os.chown(home, user, -1)
    certificate = make_certificate(home)
    key = (home / "server.key").stat()
    assert certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert (key.st_mode & 0o077, key.st_uid) == (0, user)


def test_a_report_says_that_the_target_was_encrypted(tmp_path: Path) -> None:
    require_programs()
    plan = Plan(servers={}, strategies={}, database=DatabaseOptions(tls=True))
    with open_lab(plan, None, tmp_path, Quiet()) as lab:  # Django makes the site's tables here, as the target connects
        assert_told(lab, tls=True)


def test_a_report_says_that_the_target_was_not_encrypted(lab: Lab) -> None:
    assert_told(lab, tls=False)


def assert_told(lab: Lab, *, tls: bool) -> None:
    """The report says so, and no path of this machine."""
    said = environment(lab)["PostgreSQL"]
    assert said["tls"] is tls
    assert [value for value in said.values() if str(lab.logs) in str(value) or "/var/tmp" in str(value)] == []  # noqa: S108


def require_programs() -> None:
    try:
        programs_with_tls()
    except EnvironmentFaultError as error:
        pytest.skip(str(error))
