"""The table of failures counts every trial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every import every
from factories.trials import LEAKING, Behaviour, case, findings, trial

from loadlab.model.samples import Failure
from loadlab.report.prose import failures as said


def test_kinds_are_summed_over_trials_with_their_share_and_first_example() -> None:
    kinds = (Failure(kind="timeout", count=1, example="a"), Failure(kind="500", count=3, example="b"))
    trials = [replace(trial(case(), block), failures=kinds) for block in (1, 2)]
    rows = findings([case()], trials).failures
    assert [(row.kind, row.count, row.share, row.example) for row in rows] == [
        ("500", 6, pytest.approx(6 / 800), "b"),
        ("timeout", 2, pytest.approx(2 / 800), "a"),
    ]


def test_what_failed_in_an_invalid_trial_is_shown_too() -> None:
    invalid = Behaviour(requests=400, failed=100, state="invalid", reason="dropped")
    (row,) = findings([case()], [trial(case(), 1, invalid)]).failures
    assert (row.case, row.count, row.share) == (case(), 100, 0.25)


@every(
    ("status", "example"),
    [
        (500, "code=500; connections that could not be opened: 8 × too_many_connections"),
        (404, "code=500"),
    ],
)
def test_an_error_of_the_server_says_which_connections_it_could_not_open(status: int, example: str) -> None:
    failures = (Failure(kind=f"HTTP {status}", count=4, example="code=500", status=status),)
    trials = [replace(trial(case(), block, LEAKING), failures=failures) for block in (1, 2)]
    (row,) = findings([case()], trials).failures
    assert said.example(row) == example


def test_without_failures_the_table_is_empty() -> None:
    assert findings([case()], [trial(case())]).failures == ()
