"""Gates on a running project: its counts over the watch, for each alias."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from loadlab.analysis.gates import Counted, Question, decide
from loadlab.errors import UsageError
from loadlab.model.gates import MEASURES, Doubt, Gates
from loadlab.model.observation import WatchedLeak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadlab.model.gates import Gate
    from loadlab.model.observation import AliasObservation, Observation

REFUSED: Final = "too_many_connections"


def require_watched(gates: Sequence[Gate]) -> None:
    """Raises:
    UsageError: a gate limits what a watch does not see.
    """
    problems = [problem for gate in gates for problem in _problems(gate)]
    if problems:
        raise UsageError("\n".join(problems))


def _problems(gate: Gate) -> Iterator[str]:
    watched = [name for name, measure in MEASURES.items() if measure.watched]
    if gate.quantity not in watched:
        yield f"--gate {gate.text!r}: a watch does not see {gate.quantity}. Use one of {', '.join(watched)}."
    elif gate.limit.relative:
        yield f"--gate {gate.text!r}: a watch has no baseline. Write a number."


def gates_of_watch(observation: Observation, gates: Sequence[Gate]) -> Gates:
    """Each gate on each alias that its glob matches; one that matches none is undecided."""
    questions = []
    for gate in gates:
        meant = [alias for alias in observation.aliases if fnmatchcase(alias, gate.cases)]
        questions += [
            Question(gate=gate, alias=alias, evidence=_seen(gate.quantity, observation.aliases[alias]))
            for alias in meant
        ]
        if not meant:
            questions.append(Question(gate=gate, alias=gate.cases, evidence=Counted(None, Doubt.NO_ALIAS)))
    return Gates(results=decide(questions))


def _seen(quantity: str, alias: AliasObservation) -> Counted:
    if quantity == "leaks" and alias.leak in DOUBTS:
        return Counted(None, DOUBTS[alias.leak])
    return Counted(FIGURES[quantity](alias), Doubt.UNUSED)


def _opens_per_request(alias: AliasObservation) -> float | None:
    """Of all units of work, as in a trial."""
    reused = alias.reused + sum(count for name, count in alias.units.items() if name.endswith("reused"))
    uses = alias.opened + reused
    return alias.opened / uses if uses else None


DOUBTS: Final[Mapping[WatchedLeak, Doubt]] = {
    WatchedLeak.UNUSED: Doubt.UNUSED,
    WatchedLeak.BEGUN_ANEW: Doubt.BEGUN_ANEW,
    WatchedLeak.TOO_FEW_OPENED: Doubt.LEAK_UNKNOWN,
    WatchedLeak.STILL_GROWING: Doubt.STILL_GROWING,
}
FIGURES: Final[Mapping[str, Callable[[AliasObservation], float | None]]] = {
    "leaks": lambda alias: float(alias.leak is WatchedLeak.YES),
    "refused": lambda alias: alias.errors.get(REFUSED, 0),
    "connect_errors": lambda alias: sum(alias.errors.values()),
    "opens_per_request": _opens_per_request,
    "reuse": lambda alias: alias.share_reused,
    "open": lambda alias: alias.open[1],
}
