"""The sentences that open every report: what ran, what the answer is, and how much of it is noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.labels import short_names
from loadlab.report import numbers
from loadlab.report.labels import Labels
from loadlab.report.prose import sides
from loadlab.report.prose.answer import sentence
from loadlab.report.prose.caveats import said
from loadlab.report.prose.gates import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.case import Case
    from loadlab.model.findings import Findings, RunSummary
    from loadlab.model.opens import Unknown
    from loadlab.report.prose.caveats import Said

TITLE = "How long should Django keep a database connection open?"
WIDER_TITLE = "How should Django's database connections live?"
NO_ANSWER = "This run has no answer: no trial is complete. Resume it to get one."
NO_NOISE_FLOOR = "Noise floor: unknown, because no case was measured twice."

HOW_TO_READ = (
    (
        "A case is one server mode with one way of handling connections. A trial measures one case with fresh server "
        "processes. A block is one pass over all cases in random order. Every figure is computed over trials."
    ),
    (
        "A ratio compares a case with the baseline of its server mode, block by block: 1.20× is 20 % more than the "
        "baseline. The range after it is its 95 % confidence interval."
    ),
    "Verdicts use the plan's primary metric only. Other metrics have an interval but no verdict.",
    (
        "A trial that served nothing ranks as the worst of its comparison. A trial in which the target did not keep "
        "up with the load counts against its case. Neither is left out."
    ),
    (
        "p is the probability of such a difference by chance, by Wilcoxon's exact signed-rank test over blocks. The "
        "interval comes from the same test. Holm's correction allows for the number of comparisons. The smallest "
        "detectable effect is the difference that these blocks detect with 80 % power after that correction."
    ),
    (
        "Better and worse: a proven difference. Equivalent: any difference is proven to be within the margin. "
        "Inconclusive: not enough evidence for either."
    ),
    (
        "Usable is how many connections the server mode can use at once. LEAK means that more were open: no later "
        "request can use the rest."
    ),
    "Both the application and PostgreSQL count connections. A trial is exact if the two counts agree.",
)


# What follows for an external target whose plan does not say how many connections it can use.
HOW_GROWTH_IS_JUDGED = (
    (
        "Where the plan names no usable_connections, LEAK means that ever more connections stay open, or that the "
        "garbage collector had to close them. Name workers × threads in [target] for the rule with a known number."
    ),
)
# What follows for a run that has more than CONN_MAX_AGE; in this order after the others.
HOW_STRATEGIES_ARE_CHOSEN = (
    (
        "A strategy is eligible if it does not leak, has no connection refused, fails no more requests than the "
        "baseline, served something in every trial, and stays within production's limits, if the plan names them. An "
        "eligible strategy is recommended only if it is proven better than CONN_MAX_AGE = 0."
    ),
    (
        "Of those, the simplest that is not proven worse than the best wins. From simple to complex: a finite "
        "CONN_MAX_AGE, an unlimited one, other settings, Django's own pool, a third-party engine, a wrapper around the "
        "ASGI application, code that patches Django or its server, a separate service. Of two pools, the smaller wins."
    ),
    "The runner-up is what the same rule picks among the other kinds of strategy, not another age or pool size.",
    (
        "Need in production: hosts × workers × the most connections per worker × overlap. The most per worker is the "
        "limit of the strategy or server mode, or the measured peak if neither sets one. A PgBouncer needs its "
        "pool_size, one per host."
    ),
)


def title(findings: Findings) -> str:
    """The question that the run asks."""
    if findings.other_side:
        return f"How does this compare with {findings.other_side}?"
    return WIDER_TITLE if _has_others(findings) else TITLE


def _has_others(findings: Findings) -> bool:
    return any(arm.case.strategy.name != "max_age" for arm in findings.arms)


def how_to_read(findings: Findings) -> tuple[str, ...]:
    weighed = _has_others(findings) or findings.run.limits.max_connections is not None
    grows = any(arm.case.external and arm.usable is None for arm in findings.arms)
    return (
        *HOW_TO_READ,
        *(HOW_GROWTH_IS_JUDGED if grows else ()),
        *(HOW_STRATEGIES_ARE_CHOSEN if weighed else ()),
    )


def gates(findings: Findings) -> str:
    """What the run's gates mean for the build; nothing where it has none. This comes before all else."""
    return verdict(findings.gates) if findings.gates.results else ""


def between_sides(findings: Findings) -> tuple[str, ...]:
    """How each case compares with the other side; this comes before what to set."""
    return tuple(sides.sentences(findings, Labels.of(findings)))


def answer(findings: Findings) -> tuple[str, ...]:
    """What the run says about the settings; in a run that only compares two sides, nothing."""
    names = Labels.of(findings)
    found = tuple(sentence(one, names) for one in findings.answer)
    return found if found or findings.between_sides else (NO_ANSWER,)


def run_line(run: RunSummary) -> str:
    """One line that says what was run and how much of it was finished."""
    done = f"{numbers.count(run.trials_done)} of {numbers.plural(run.trials_planned, 'trial')}"
    if run.trials_invalid:
        done += f", {numbers.count(run.trials_invalid)} of them invalid"
    if run.trials_spared:
        done += f", {numbers.count(run.trials_spared)} more not needed"
    window = f"{numbers.seconds(run.window_seconds)} windows after {numbers.seconds(run.warmup_seconds)} warm-up"
    parts = (f"Run {run.id}", run.started, done, numbers.plural(run.blocks, "block"), window, f"seed {run.seed}")
    return " · ".join(parts)


def warning(run: RunSummary) -> str:
    """What a reader must know at once about a run that did not finish, or lost trials; empty otherwise."""
    return " ".join(filter(None, (_unfinished(run), _invalid(run))))


def _invalid(run: RunSummary) -> str:
    if not run.trials_invalid:
        return ""
    of_all = f"{numbers.count(run.trials_invalid)} of {numbers.plural(run.trials_done, 'trial')} invalid"
    first = ", the first" if run.trials_invalid > 1 else ""
    return f"{of_all}{first} because: {run.invalid_because}. The caveats name each."


def _unfinished(run: RunSummary) -> str:
    if run.state == "complete":
        return ""
    missing = run.trials_planned - run.trials_done
    if not missing:
        return "This run is incomplete: trials failed, and the caveats say why. Resume it to repeat them."
    return f"This run is incomplete: {numbers.plural(missing, 'trial')} missing. Resume it to complete it."


def noise_floor(findings: Findings) -> tuple[str, ...]:
    """One line per A/A arm: how much a case seems to differ from itself, in every metric."""
    found: dict[Case, list[str]] = {}
    for one in findings.comparisons:
        if one.question == "noise" and one.ratio:
            found.setdefault(one.baseline, []).append(f"{numbers.metric(one.metric)} {numbers.ratio_of(one)}")
    names = Labels.of(findings)
    return tuple(
        f"Noise floor{f' of {names.case(case)}' if len(found) > 1 else ''} (the same case measured twice): "
        f"{', '.join(figures)}. The run cannot tell a smaller difference from noise."
        for case, figures in found.items()
    ) or (NO_NOISE_FLOOR,)


SPREAD = "How requests spread"
OPENS = "Opening a connection"
WHAT_OPENS_ARE = (
    "Fork, authentication and the rest of the server are PostgreSQL's own figures. Authentication includes the waits "
    "for the client's messages: with SCRAM, a client derives its keys meanwhile, unless it has them."
)
UNKNOWN_OPENS: Mapping[Unknown, str] = {
    "given": "Where the time of an open goes is not known: loadlab reads the log of its own PostgreSQL only.",
    "older": "Where the time of an open goes is not known: PostgreSQL tells it from version 18 on.",
    "too_few": "Where the time of an open goes is not known: PostgreSQL told too little of it.",
}


def opens(findings: Findings) -> tuple[str, ...]:
    """What to know of the times of opens, or why there are none; nothing where it was not measured."""
    if findings.opens is None:
        return ()
    return (UNKNOWN_OPENS[findings.opens.unknown] if findings.opens.unknown else WHAT_OPENS_ARE,)


HOUR: Final = "Over an hour of your traffic"
WHAT_AN_HOUR_IS: Final = (
    "Expected values for a constant rate that arrives at random, from how long requests held a connection and how they"
    " spread over threads in this run. For a day's profile, many hosts, deployments and limits, ask loadlab fleet."
)
CLOSED_LOOP: Final = (
    "The rate is the throughput of a closed loop under the slowest strategy, which this server can do at every age. Its"
    " users wait for their answers, so it is not the rate of your traffic. At a lower rate, reuse is lower. Name yours:"
    " an open load, or loadlab fleet."
)


def over_an_hour(findings: Findings) -> tuple[str, ...]:
    """What these figures are; nothing where there are none."""
    if not findings.over_an_hour:
        return ()
    closed = any(one.closed_loop for one in findings.over_an_hour)
    return (WHAT_AN_HOUR_IS, CLOSED_LOOP) if closed else (WHAT_AN_HOUR_IS,)


def caveats(findings: Findings) -> tuple[Said, ...]:
    """All caveats in words, with the short names of cases."""
    names = short_names([arm.case for arm in findings.arms])
    return tuple(said(one, lambda case: names.get(case, case.id)) for one in findings.caveats)
