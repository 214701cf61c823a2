"""The table of how requests spread over processes and threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content.table import Table, number_columns, text_columns
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.findings import Findings
    from loadlab.model.fleet import Dispatch, Spread

RULES: Final = {"fixed": "first in order", "recent": "last used", "longest_idle": "longest idle", "random": "random"}
LEAST_SHARE: Final = 0.005  # of a rule, that a table shows


def build(findings: Findings) -> Table:
    """How requests spread in each server mode, in the trial that saw most of them; no rows where nothing could."""
    names = Labels.of(findings)
    most: dict[str, Spread] = {}
    for trial in findings.trials:
        if trial.spread and max(len(trial.spread.by_process), len(trial.spread.by_thread)) > 1:
            known = most.setdefault(str(names.mode(trial.case)), trial.spread)
            if trial.spread.requests > known.requests:
                most[str(names.mode(trial.case))] = trial.spread
    return Table(
        caption="The busiest process and thread of each server mode, and how it was chosen among those that were idle",
        columns=(
            *text_columns("Server mode"),
            *number_columns("Requests", "Busiest process"),
            *text_columns("Chosen"),
            *number_columns("Busiest thread"),
            *text_columns("Chosen"),
        ),
        rows=tuple(_spread_row(called, seen) for called, seen in sorted(most.items())),
    )


def _spread_row(called: str, seen: Spread) -> tuple[str, ...]:
    return (
        called,
        numbers.count(seen.requests),
        *_share(seen.by_process, seen.processes),
        *_share(seen.by_thread, seen.threads),
    )


def _share(shares: Sequence[float], rules: Dispatch) -> tuple[str, str]:
    if not shares:
        return numbers.MISSING, numbers.MISSING
    return numbers.percentage(shares[0]), chosen(rules) if len(shares) > 1 else numbers.MISSING


def chosen(rules: Dispatch) -> str:
    """The rules that choose, the one that does most often first.

    >>> from loadlab.model.fleet import Dispatch
    >>> chosen(Dispatch(recent=1.0, random=0.0)), chosen(Dispatch(longest_idle=0.75, random=0.25))
    ('last used', 'longest idle 75 %, random 25 %')
    """
    shares = {words: getattr(rules, name) for name, words in RULES.items()}
    there = sorted((share, words) for words, share in shares.items() if share >= LEAST_SHARE)
    if len(there) == 1:
        return there[0][1]
    return ", ".join(f"{words} {numbers.percentage(share)}" for share, words in reversed(there))
