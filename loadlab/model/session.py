"""The sessions of a run: each has its machine, versions and database, and a run that is resumed has several."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadlab.model.config import Scalar, spell
from loadlab.model.earlier_scenarios import CODE_OF
from loadlab.model.findings import PROJECT
from loadlab.model.project_notes import is_note

Environment = Mapping[str, Mapping[str, Scalar]]

AGAINST: Final = "against"  # the section of facts of the other side, in a run that has one
PARAMETERS: Final = "LOADLAB_SCENARIO_"  # how environment variables begin that scenarios read
SCENARIO: Final = "scenario "  # how facts of the load begin that have a digest of a Locust file's bytes
CODE: Final = "code of scenario "  # the same of its code alone
# Another value of these is another experiment: trials before and after cannot be in one run.
DECIDING: Final = (
    ("PostgreSQL", "origin"),
    ("PostgreSQL", "driver"),
    ("PostgreSQL", "database"),
    ("PostgreSQL", "cluster"),
    (PROJECT, "settings"),
    (PROJECT, "engine"),
    (PROJECT, "Python files"),
    (AGAINST, "name"),
    (AGAINST, "commit"),
    (AGAINST, "settings"),
    (AGAINST, "driver"),
    (AGAINST, "Python files"),
)
# These differ between any two sessions, and say nothing.
PASSING: Final = ("load_average", "setting port", "setting unix_socket_directories", "memory_gib")


@dataclass(frozen=True, kw_only=True, slots=True)
class Continuation:
    """What a command line needs besides `--resume` to go on with a run: options, and environment variables."""

    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, folder: object) -> str:
        """The whole command, quoted for a shell.

        >>> Continuation(options=("--dsn", "env:MY_DSN")).command("runs/of mine")
        "loadlab run --resume 'runs/of mine' --dsn env:MY_DSN"
        """
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        return " ".join([*variables, shlex.join(["loadlab", "run", "--resume", str(folder), *self.options])])


@dataclass(frozen=True, kw_only=True, slots=True)
class LabSession:
    """One time that a lab works on a run: the `number`-th, from `began` on.

    A run that was begun before sessions were recorded has number 0, from its environment.json.
    """

    number: int
    began: str
    environment: dict[str, dict[str, Scalar]]
    continuation: Continuation = field(default_factory=Continuation)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One fact that two sessions do not share; `decides` says that it makes another experiment."""

    section: str
    fact: str
    before: Scalar
    after: Scalar
    decides: bool

    def __str__(self) -> str:
        return f"{self.section} {self.fact}: {spell(self.before)} → {spell(self.after)}"


def changes(before: Environment, after: Environment) -> list[Change]:
    """What is not the same in two environments.

    A fact that only one of them has says nothing, because another loadlab may have recorded it. Exceptions are the
    origin of the database and the parameters of scenarios.

    >>> old, new = {"versions": {"django": "4.2.0"}}, {"versions": {"django": "5.2.0", "gevent": "24"}}
    >>> [str(each) for each in changes(old, new)]
    ['versions django: 4.2.0 → 5.2.0']
    """
    if not before or not after:
        return []
    return [
        change
        for section in {**before, **after}
        for change in _in_section(section, before.get(section, {}), after.get(section, {}))
    ]


def _in_section(section: str, ours: Mapping[str, Scalar], theirs: Mapping[str, Scalar]) -> Iterator[Change]:
    for fact in {**ours, **theirs}:
        if ours.get(fact) != theirs.get(fact) and _tells(section, fact, ours, theirs):
            decides = (section, fact) in DECIDING or fact.startswith((PARAMETERS, SCENARIO, CODE))
            yield Change(section=section, fact=fact, before=ours.get(fact), after=theirs.get(fact), decides=decides)


def _tells(section: str, fact: str, ours: Mapping[str, Scalar], theirs: Mapping[str, Scalar]) -> bool:
    """Whether different values of a fact mean that something has changed."""
    if (
        is_note(section, fact)
        or fact.startswith(PASSING)
        or (fact.startswith(SCENARIO) and _code_is_known(fact, ours, theirs))
    ):
        return False
    in_both = fact in ours and fact in theirs
    return in_both or fact.startswith(PARAMETERS) or (section, fact) == ("PostgreSQL", "origin")


def _code_is_known(fact: str, ours: Mapping[str, Scalar], theirs: Mapping[str, Scalar]) -> bool:
    """Whether the code of a Locust file says more than its bytes do: both have it, or it is the same.

    Earlier runs have the bytes only. Of loadlab's own scenarios, the bytes are enough to know the code.
    """
    code = CODE + fact.removeprefix(SCENARIO)
    if code in ours and code in theirs:
        return True
    one, other = (facts.get(code, CODE_OF.get(str(facts.get(fact)))) for facts in (ours, theirs))
    return one is not None and one == other


def together(parts: Sequence[tuple[str, Environment]]) -> dict[str, dict[str, Scalar]]:
    """The environments of several sessions as one; each part is called what it says first, e.g. "trials 0–3".

    >>> together([("trial 0", {"versions": {"django": "4"}}), ("trial 1", {"versions": {"django": "5"}})])
    {'versions': {'django': '4 (trial 0); 5 (trial 1)'}}
    """
    whole: dict[str, dict[str, Scalar]] = {}
    for section in dict.fromkeys(section for _, environment in parts for section in environment):
        of_section = [(name, environment.get(section, {})) for name, environment in parts]
        whole[section] = {
            fact: _in_all(fact, of_section) for fact in dict.fromkeys(fact for _, facts in of_section for fact in facts)
        }
    return whole


def _in_all(fact: str, parts: Sequence[tuple[str, Mapping[str, Scalar]]]) -> Scalar:
    """One value if all have it; else each value with the parts that have it. Of what passes, the last is enough."""
    if fact.startswith(PASSING):
        return next(facts[fact] for _, facts in reversed(parts) if fact in facts)
    names: dict[str, list[str]] = {}
    for name, facts in parts:
        names.setdefault(spell(facts[fact]) if fact in facts else "not recorded", []).append(name)
    if len(names) == 1:
        return next(facts[fact] for _, facts in parts if fact in facts)
    return "; ".join(f"{value} ({', '.join(of)})" for value, of in names.items())
