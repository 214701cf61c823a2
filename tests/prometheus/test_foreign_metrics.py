"""Metrics of other exporters are called as the catalogue says."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest
from patience import PATIENCE_SECONDS
from prometheus_client.parser import text_string_to_metric_families

from loadlab.model.foreign_metrics import FOREIGN, POSTGRES_EXPORTER
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import embedded
from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.services.database import Database

pytestmark = pytest.mark.process

PROGRAM: Final = "prometheus-postgres-exporter"


def exposed(url: str, exporter: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while exporter.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url) as answer:  # noqa: S310  http, on loopback
                text: str = answer.read().decode()
                return text
        except urllib.error.URLError:
            time.sleep(0.05)
    pytest.fail("the exporter does not answer")


def address(database: Database) -> str:
    """The embedded database asks for no password on loopback here."""
    parameters = database.observer
    return (
        f"postgresql://{quote(parameters['user'])}@{parameters['host']}:{parameters['port']}/postgres?sslmode=disable"
    )


@pytest.mark.usefixtures("own_state")
def test_postgres_exporter_shows_what_rules_ask_it_for(tmp_path: Path) -> None:
    program = shutil.which(PROGRAM)
    if program is None:
        pytest.skip(f"there is no {PROGRAM} on this machine")
    port = free_port()
    with (
        Register.opened() as register,
        embedded(DatabaseOptions(auth="trust"), register, tmp_path / "postgresql.log") as database,
        (tmp_path / "exporter.log").open("wb") as log,
        subprocess.Popen(
            [program, f"--web.listen-address={LOOPBACK}:{port}"],
            env={"DATA_SOURCE_NAME": address(database)},
            stdout=log,
            stderr=log,
        ) as exporter,
    ):
        try:
            text = exposed(f"http://{LOOPBACK}:{port}/metrics", exporter)
        finally:
            exporter.terminate()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    asked = [metric for metric in FOREIGN if metric.source == POSTGRES_EXPORTER]
    assert asked
    for metric in asked:
        assert labels[metric.name] == {*metric.labels, "server"}  # its own label for the database's address
