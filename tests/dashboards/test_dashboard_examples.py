"""What docstrings of the dashboards' code show is what happens."""

from __future__ import annotations

import doctest

from every import every

from dashboards.evidence import tables
from dashboards.source import grafana, promql


@every("module", [promql, grafana, tables], ids=lambda module: module.__name__)
def test_examples_of_dashboards_hold(module: object) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
