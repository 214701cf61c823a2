"""Every probe goes through the same life: it reads a context and gives numbers under its names."""

from __future__ import annotations

import math
import os
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS

from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.sampler import look
from loadlab.plan.members import config_of
from loadlab.probes import PROBES, ProbeContext
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.lab import Lab


@pytest.fixture
def context(lab: Lab, tmp_path: Path) -> ProbeContext:
    ledgers = tmp_path / "ledgers"
    trees = {"app": os.getpid(), "database": lab.database.postmaster or 0}
    return ProbeContext(cursor=lab.cursor, database=lab.database.name, ledgers=ledgers, trees=trees)


@pytest.mark.parametrize("name", list(PROBES))
def test_a_probe_gives_the_same_names_and_possible_numbers_at_every_look(name: str, context: ProbeContext) -> None:
    first, second = PROBES[name]().read(context), PROBES[name]().read(context)
    assert first.keys() == second.keys() <= {quantity.name for quantity in PROBES[name].quantities}
    assert all(math.isfinite(value) and value >= 0 for value in [*first.values(), *second.values()])


def test_no_two_probes_use_a_name_or_a_metric_with_the_same_labels() -> None:
    declared = [quantity for name in PROBES for quantity in PROBES[name].quantities]
    for key in (
        lambda one: one.name,
        lambda one: (one.exposed and one.exposed.name, one.labels, one.exposed or one.name),
    ):
        assert [each for each, count in Counter(map(key, declared)).items() if count > 1] == []


def test_only_sampled_probes_are_read_while_a_load_runs(context: ProbeContext) -> None:
    sampled = look(context, sampled_only=True).keys()
    assert sampled == {quantity for name in PROBES if PROBES[name].sampled for quantity in PROBES[name]().read(context)}
    assert sampled < look(context, sampled_only=False).keys()


def test_probes_see_what_a_served_site_does(lab: Lab, context: ProbeContext, tmp_path: Path) -> None:
    target = ServerSetup(
        server=config_of(SERVERS, "sync", {"workers": 1}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": None}, "strategy"),
        database=lab.database,
        ledgers=context.ledgers,
    )
    assert lab.judge.await_empty(PATIENCE_SECONDS) == 0
    before = look(context, sampled_only=False)
    with serving(target, lab.register, tmp_path / "log") as application:
        for _ in range(3):
            urllib.request.urlopen(f"{application.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310
        during = look(context, sampled_only=False)
    assert lab.judge.await_empty(PATIENCE_SECONDS) == 0
    after = look(context, sampled_only=False)
    assert (before["open"], before["backends"]) == (0, 0)
    assert (during["open"], during["backends"], during["opened"], during["reused"]) == (1, 1, 1, 2)
    assert (after["open"], after["backends"], after["opened"]) == (0, 0, 1)
    assert after["sessions"] - before["sessions"] == 1
    assert after["cpu_app"] > before["cpu_app"] > 0
    assert after["cpu_database"] >= before["cpu_database"] > 0
