"""Estimates which rules choose among idle processes or threads, from who served when.

Each request that came while at least two were idle is a choice. Four rules may have made it, each with its share: the
shares are those of the greatest likelihood (a mixture, by expectation and maximisation). Sets of rules are compared by
the Bayesian information criterion, so a rule is only there if the choices need it.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from loadlab.model.fleet import Dispatch
from loadlab.model.uses import Choices

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.fleet import Numbers

RULES: Final = ("random", "recent", "longest_idle", "fixed")  # of equally likely sets, the first that is named
STEPS: Final = 200
NEVER: Final = -math.inf
EARLY: Final = 0.001  # the chance that a thread serves for the first time while others are idle, if none starts then
UNCLEAR_SECONDS: Final = 0.005  # after a request's end: the server still closes its client, and goes back to wait
LEAST: Final = 1e-12  # a share or a chance that counts as none


class Served(NamedTuple):
    """A request that `member` served, in seconds; a member is a process, or a thread."""

    began: float
    ended: float
    member: int


class _Choice(NamedTuple):
    """One request, and who could have served it: the `idle` that have served before, and `unseen` others."""

    chosen: int
    idle: tuple[int, ...]
    unseen: int
    recent: float
    longest_idle: float


@dataclass(slots=True)
class _Members:
    """Who is busy, and since when the others wait; `capacity` is how many requests a member serves at once."""

    members: int
    capacity: int
    busy: Counter[int] = field(default_factory=Counter)
    touched: dict[int, float] = field(default_factory=dict)
    under_way: list[tuple[float, int]] = field(default_factory=list)

    def advance(self, now: float) -> None:
        for ended, member in sorted(self.under_way):
            if ended <= now:
                self.busy[member] -= 1
                self.touched[member] = ended
        self.under_way = [each for each in self.under_way if each[0] > now]

    def idle(self) -> tuple[int, ...]:
        return tuple(member for member in self.touched if self.busy[member] < self.capacity)

    def serve(self, served: Served) -> None:
        self.busy[served.member] += 1
        self.touched[served.member] = served.began
        self.under_way.append((served.ended, served.member))

    def choice(self, chosen: int, now: float) -> _Choice | None:
        """None where there was none: fewer than two were idle, or one that was not idle got the request.

        Nor is it one where a member has only just become idle: whether it waits for requests already cannot be seen.
        """
        idle, unseen = self.idle(), max(self.members - len(self.touched), 0)
        if any(now - self.touched[member] < UNCLEAR_SECONDS for member in idle):
            return None
        is_new = chosen not in self.touched
        if len(idle) + unseen < 2 or not (chosen in idle or (is_new and unseen)):  # noqa: PLR2004  a choice
            return None
        if is_new:
            recent, longest = (0.0 if idle else 1 / unseen), 1 / unseen
        else:
            recent = float(chosen == max(idle, key=self.touched.__getitem__))
            longest = float(not unseen and chosen == min(idle, key=self.touched.__getitem__))
        return _Choice(chosen, idle, unseen, recent, longest)


def choices_of(served: Iterable[Served], members: int, capacity: int = 1) -> tuple[Choices, ...]:
    """The choices among `members`, of which each serves `capacity` requests at once; alike ones are counted together.

    One that has not served yet is idle; with 0 members, it is not there yet. The order of "fixed" is the one that the
    choices suggest.
    """
    made = list(_choices(served, members, capacity))
    place = {member: number for number, member in enumerate(_order(made))}
    counted: Counter[tuple[int, float, float, float]] = Counter()
    for choice in made:
        candidates = (*choice.idle, choice.chosen) if choice.chosen not in choice.idle else choice.idle
        fixed = float(choice.chosen == min(candidates, key=place.__getitem__))
        if choice.chosen not in choice.idle:
            fixed = 0.0 if choice.idle else 1 / choice.unseen
        counted[len(choice.idle) + choice.unseen, fixed, choice.recent, choice.longest_idle] += 1
    return _listed(counted)


def _choices(served: Iterable[Served], members: int, capacity: int) -> Iterator[_Choice]:
    now = _Members(members, capacity)
    for each in served:
        now.advance(each.began)
        choice = now.choice(each.member, each.began)
        if choice is not None:
            yield choice
        now.serve(each)


def _order(made: Sequence[_Choice]) -> list[int]:
    """All members, the one first that was chosen most often of the times that it could be."""
    chosen = Counter(choice.chosen for choice in made)
    possible: Counter[int] = Counter()
    for choice in made:
        possible.update({choice.chosen, *choice.idle})
    return sorted(possible, key=lambda member: (-chosen[member] / possible[member], -chosen[member], member))


def fit(choices: Sequence[Choices], ordered: int = 1) -> Dispatch:
    """The dispatch that explains the choices best; random without any.

    `ordered` is how many numbers the order of "fixed" has taken to describe: one less than members, in each trial.
    """
    return _fitted(choices, ordered)[0]


def _fitted(choices: Sequence[Choices], ordered: int) -> tuple[Dispatch, float]:
    """The same, with its information criterion: lower is better."""
    if not choices:
        return Dispatch(), 0.0
    counts = np.array([choice.count for choice in choices], dtype=float)
    chances = {
        "random": np.array([1 / choice.idle for choice in choices]),
        **{rule: np.array([getattr(choice, rule) for choice in choices]) for rule in RULES[1:]},
    }
    best, least = Dispatch(), math.inf
    for rules in _sets():
        shares, likelihood = _shares(np.array([chances[rule] for rule in rules]), counts)
        known = len(rules) - 1 + (ordered if "fixed" in rules else 0)
        criterion = known * math.log(counts.sum()) - 2 * likelihood
        if criterion < least - LEAST:
            found = dict(zip(rules, map(float, shares), strict=True))
            best, least = Dispatch(**{"random": 0.0, **found}), criterion
    return best, least


def _sets() -> Iterator[tuple[str, ...]]:
    for size in range(1, len(RULES) + 1):
        yield from combinations(RULES, size)


def _shares(chances: Numbers, counts: Numbers) -> tuple[Numbers, float]:
    """The share of each rule, and the logarithm of the likelihood; that is -inf where no rule explains a choice."""
    shares: Numbers = np.full(len(chances), 1 / len(chances))
    if (chances.sum(axis=0) < LEAST).any():
        return shares, NEVER
    for _ in range(STEPS):
        joint = shares[:, None] * chances
        shares = (joint / np.maximum(joint.sum(axis=0), LEAST) * counts).sum(axis=1) / counts.sum()
    likely = np.maximum(shares @ chances, LEAST)
    return shares, float(counts @ np.log(likely))


def thread_choices(processes: Sequence[Sequence[Served]], threads: int) -> tuple[tuple[Choices, ...], float]:
    """The choices among the threads of each process, together; and the odds that a thread starts when none is idle.

    These are the logarithm of how much better that explains the choices than that all are there from the start. A
    thread that serves for the first time while others are idle speaks against it, but not strictly: a request that uses
    no database may have started it.
    """
    all_there = merged(chain.from_iterable(choices_of(served, threads) for served in processes))
    started = merged(chain.from_iterable(choices_of(served, 0) for served in processes))
    early = sum(_early_starts(served) for served in processes)
    odds = (_fitted(all_there, threads - 1)[1] - _fitted(started, threads - 1)[1]) / 2 + early * math.log(EARLY)
    return (started if odds > 0 else all_there), odds


def _early_starts(served: Iterable[Served]) -> int:
    """How many threads served for the first time while another one was idle."""
    now, early = _Members(0, 1), 0
    for each in served:
        now.advance(each.began)
        early += each.member not in now.touched and bool(now.idle())
        now.serve(each)
    return early


def merged(choices: Iterable[Choices]) -> tuple[Choices, ...]:
    """With those that are alike counted together."""
    counted: Counter[tuple[int, float, float, float]] = Counter()
    for each in choices:
        counted[each.idle, each.fixed, each.recent, each.longest_idle] += each.count
    return _listed(counted)


def _listed(counted: Counter[tuple[int, float, float, float]]) -> tuple[Choices, ...]:
    return tuple(
        Choices(idle=idle, fixed=fixed, recent=recent, longest_idle=longest, count=count)
        for (idle, fixed, recent, longest), count in sorted(counted.items())
    )
