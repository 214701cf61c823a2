"""Sentences with places for figures: `{share:percentage}` is the figure `share`, spelt as a percentage."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Any

from loadlab.report import numbers
from loadlab.report.prose.mismatches import mismatches

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.caveats import TrialOf

PLURAL = "plural "


class Template(Formatter):
    """Fills sentences; `name` is what a report calls a case.

    >>> Template(str).format("{share:percentage} of {trials:plural trial}", share=0.5, trials=3)
    '50 % of 3 trials'
    """

    def __init__(self, name: Callable[[Case], str]) -> None:
        self._name = name
        self._spellers: Mapping[str, Callable[[Any], str]] = {
            "": str,
            "age": numbers.age,
            "and": "; ".join,
            "case": name,
            "cases": lambda cases: _listed([name(case) for case in cases]),
            "count": numbers.count,
            "figure": numbers.figure,
            "list": _listed,
            "metric": numbers.metric,
            "milliseconds": numbers.milliseconds,
            "mismatches": mismatches,
            "percentage": numbers.percentage,
            "probability": numbers.probability,
            "ratio": numbers.ratio,
            "sentence": _sentence,
            "trial": self.trial,
        }

    def filled(self, text: str, figures: Mapping[str, Any]) -> str:
        """The text with these figures; `interval` is that from `low` to `high`."""
        interval = numbers.interval(figures.get("low"), figures.get("high")) or numbers.TOO_FEW
        return self.vformat(text, (), {"interval": interval, **figures})

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401  the library's own signature
        if format_spec.startswith(PLURAL):
            return numbers.plural(value, format_spec.removeprefix(PLURAL))
        return self._spellers[format_spec](value)

    def trial(self, one: TrialOf) -> str:
        return f"{self._name(one.case)}, block {one.block}"


def _listed(words: Sequence[object]) -> str:
    return numbers.listed(list(map(str, words)))


def _sentence(text: str) -> str:
    """Text of others, ended by one full stop."""
    return text if text.endswith(".") else f"{text}."
