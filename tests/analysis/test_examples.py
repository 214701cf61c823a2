"""What docstrings show is what happens."""

from __future__ import annotations

import doctest
from importlib import import_module

from every import every

MODULES = (
    "loadlab.analysis.closed_forms",
    "loadlab.analysis.added_latency",
    "loadlab.stats.intervals",
    "loadlab.stats.multiplicity",
    "loadlab.stats.power",
    "loadlab.stats.quantiles",
    "loadlab.stats.rank_sum",
    "loadlab.stats.signed_rank",
    "loadlab.model.columns",
    "loadlab.model.condition",
    "loadlab.model.config",
    "loadlab.model.labels",
    "loadlab.model.schedule",
    "loadlab.model.session",
    "loadlab.model.window",
    "loadlab.services.secret_files",
    "loadlab.store.layout",
    "loadlab.store.plan_changes",
    "loadlab.store.progress",
)


@every("name", MODULES)
def test_examples_in_docstrings_hold(name: str) -> None:
    result = doctest.testmod(import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
