"""The sentences about a fleet: the question, the verdict, what follows, and where the figures do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.durations import elapsed
from loadlab.report import labels, numbers
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from loadlab.model.fleet_outcome import (
        Band,
        BreakEven,
        FleetAnswer,
        FleetCaveat,
        FleetCaveatKind,
        FleetOutcome,
        FleetVerdict,
        LargestFleet,
        Moment,
        Remedy,
        RemedyKind,
        SmallestAge,
        Way,
    )

TITLE: Final = "What does CONN_MAX_AGE do on this fleet?"
WIDER_TITLE: Final = "How should this fleet's database connections live?"
REMEDIES: Final[Mapping[RemedyKind, str]] = {
    "pooler": "a PgBouncer in transaction mode with {count} server connections",
    "max_client_conn": "max_client_conn = {count} in PgBouncer",
    "fewer_threads": "{counted} per process",
    "max_connections": "max_connections = {count}",
    "fewer_hosts": "{counted}",
}
COUNTED: Final[Mapping[RemedyKind, str]] = {"fewer_threads": "thread", "fewer_hosts": "host"}
WAYS: Final[Mapping[Way, str]] = {"bound": "{hosts}", "simulation": "{hosts}", "scaled": "about {hosts}"}
CAVEATS: Final[Mapping[FleetCaveatKind, str]] = {
    "queues": (
        "Requests of the busiest step need {busy} of the threads' time. They wait for a thread there, and small changes"
        " in traffic or hold time change the figures much."
    ),
    "failing": "{share} of the requests fail: see what happens to the fleet, and the timeout of a pool.",
    "busy_processes": (
        "Each process needs {busy} of a core in the busiest step. The model does not slow requests down when a process"
        " runs out of CPU; a real one does."
    ),
    "no_spread": (
        "How requests spread over processes and threads of {server} was not measured: all idle ones are taken to be"
        " equally likely. At low load that decides reuse. Measure it: loadlab run with this server mode."
    ),
    "closed_loop": (
        "The application was measured under a closed loop, whose users wait for their answers. Hold times are those of"
        " that load; traffic here arrives at random, however long the answers take."
    ),
    "few_repeats": (
        "Bands come from {repeats} simulations: another one falls within a band with a probability of {coverage}."
    ),
    "cpu_not_measured": (
        "What a connect costs in CPU was not measured at both ends, so cores or the break-even are missing."
    ),
    "memory_not_measured": (
        "The memory of an idle backend was not measured, so what kept connections cost is missing, and the break-even."
    ),
    "unbounded": "{name}: nothing bounds its connections but the requests under way.",
    "never_found": (
        "{name}: no request finds a kept connection under this server mode. Each stays open until Python's garbage"
        " collector takes it."
    ),
}
LEFT_OUT: Final = (
    (
        "Requests arrive at random, at the rate that is given. Users who wait for an answer before they ask again would"
        " ask less often when answers are slow (a closed loop)."
    ),
    "The number of hosts, processes and threads stays the same: there is no autoscaling.",
    "A request takes as long as it was measured to take, however many are under way. Saturated CPUs are not modelled.",
    "Each request comes on its own client connection, as from a proxy without keep-alive.",
    "The fleet starts without a connection, as if all hosts had been deployed at once.",
)


def names(answer: FleetAnswer) -> tuple[str, ...]:
    """What the strategies are called, in the order of the outcomes."""
    among = Labels.of_cases([one.case for one in answer.outcomes])
    return tuple(among.strategy(one.keeping.strategy) for one in answer.outcomes)


def title(answer: FleetAnswer) -> str:
    ages = all(one.keeping.strategy.name == "max_age" for one in answer.outcomes)
    return TITLE if ages else WIDER_TITLE


def question(answer: FleetAnswer) -> str:
    """One line that says what was asked."""
    keeping = answer.outcomes[0].keeping
    size = [numbers.plural(answer.hosts, "host")]
    if keeping.processes > 1:
        size.append(f"{numbers.count(keeping.processes)} processes")
    if keeping.threads is not None and keeping.threads > 1:
        size.append(f"{numbers.count(keeping.threads)} threads")
    rate = f"{numbers.figure(answer.rate)} requests/s"
    if answer.peak_rate > 1.01 * answer.rate:
        rate += f", {numbers.figure(answer.peak_rate)}/s at the busiest"
    return f"{labels.title(answer.server.name)}, {' × '.join(size)}: {rate}, over {duration(answer.seconds)}"


def limit(answer: FleetAnswer) -> str:
    database = answer.database
    room = f"max_connections = {numbers.count(database.max_connections)}, {numbers.count(database.reserved)} reserved"
    return f"{_are(database.free, 'connection')} free ({room})."


def duration(seconds: float) -> str:
    """A time that was set: "1 hour", "24 hours", "90 s" or as people say it.

    >>> duration(3600), duration(86400), duration(90), duration(600), duration(5400)
    ('1 hour', '24 hours', '90 s', '10 minutes', '1 h 30 min')
    """
    if seconds >= 3600 and seconds % 3600 == 0:  # noqa: PLR2004  an hour
        return numbers.plural(int(seconds // 3600), "hour")
    if seconds >= 600 and seconds % 60 == 0 and seconds < 3600:  # noqa: PLR2004  whole minutes
        return numbers.plural(int(seconds // 60), "minute")
    return elapsed(seconds) if seconds >= 600 else numbers.seconds(seconds)  # noqa: PLR2004


def events(answer: FleetAnswer, name: str) -> str:
    """E.g. "the start", "a database restart", or "the worst of 6 rolling deployments"."""
    called = name.replace("_", " ")
    if name == "start":
        return f"the {called}"
    several = sum(one.name == name for one in answer.moments)
    return f"the worst of {numbers.plural(several, called)}" if several > 1 else f"a {called}"


def event(one: Moment) -> str:
    """What it is called, e.g. "rolling deployment"."""
    return one.name.replace("_", " ")


def band(one: Band | None, spell: Callable[[float], str] = numbers.figure) -> str:
    """The median, and the range if it shows, e.g. "520 (518–523)"."""
    if one is None:
        return numbers.MISSING
    middle, low, high = spell(one.middle), spell(one.low), spell(one.high)
    return middle if low == high == middle else f"{middle} ({low}–{high})"


def verdict(answer: FleetAnswer) -> str:
    """The verdict in one or two sentences, with the figures that decide it."""
    return " ".join(_verdict(answer, answer.verdict))


def _verdict(answer: FleetAnswer, found: FleetVerdict) -> Iterator[str]:
    called, outcomes = names(answer), answer.outcomes
    chosen = outcomes[found.chosen]
    if found.kind == "none_fits":
        yield from _none_fits(called[found.chosen], chosen, found.remedies)
        return
    setting = numbers.setting(found.recommend, called[found.chosen])
    setting += numbers.rest_of_recommendation(found.recommend)
    opens = _per_second(chosen)
    rival = None if found.rival is None else outcomes[found.rival]
    if found.kind == "only_one":
        yield f"{setting} fits: it opens {opens}."
    elif found.kind == "no_difference":
        alike = numbers.listed([f"{called[place]} ({_per_second(outcomes[place])})" for place in found.alike])
        yield f"{setting}: no difference worth having. Of {alike}, it is the simplest."
    elif found.kind == "only_one_fits" and rival is not None and found.rival is not None:
        yield f"{setting}: only it fits. {called[found.rival]} needs {numbers.count(rival.needed)} connections."
    else:
        yield f"{setting}: {_against(answer, found)}"
    yield f"At most {_are(chosen.needed, 'connection')} open, and {_are(chosen.free)} free."
    failing = [one.figures["share"] for one in chosen.caveats if one.kind == "failing"]
    yield from (f"But {_figure('share', share)} of the requests fail." for share in failing)


def _none_fits(name: str, least: FleetOutcome, remedies: Sequence[Remedy]) -> Iterator[str]:
    if least.refused_by_pooler:
        yield f"None fits: with {name}, PgBouncer has more clients than max_client_conn, and refuses them."
    else:
        needs = numbers.plural(least.needed, "connection")
        yield f"None fits: {name} needs least, {needs}, and {_are(least.free)} free."
    if remedies:
        yield f"What would fit: {'; or '.join(map(_remedy, remedies))}."


def _are(number: int, noun: str = "") -> str:
    """A count as the subject of a sentence.

    >>> _are(1, "connection"), _are(20, "connection"), _are(1)
    ('1 connection is', '20 connections are', '1 is')
    """
    return f"{numbers.plural(number, noun) if noun else numbers.count(number)} {'is' if number == 1 else 'are'}"


def _against(answer: FleetAnswer, found: FleetVerdict) -> str:
    called, outcomes = names(answer), answer.outcomes
    opens = _per_second(outcomes[found.chosen])
    others = [called[place] for place in found.alike if place != found.chosen]
    as_rarely = f", no differently from {numbers.listed(others)}" if others else ""
    if found.rival is None:
        return f"it opens {opens}{as_rarely}."
    rival = outcomes[found.rival]
    if rival.fits:
        return f"it opens {opens}{as_rarely}, where {called[found.rival]} opens {_per_second(rival)}."
    needs = f"{called[found.rival]} needs {numbers.count(rival.needed)} connections"
    return f"it opens {opens}{as_rarely}; {needs}, and does not fit."


def _per_second(one: FleetOutcome) -> str:
    return f"{numbers.figure(one.opens_per_second.middle)}/s"


def _remedy(one: Remedy) -> str:
    counted = numbers.plural(one.count, COUNTED.get(one.kind, ""))
    return REMEDIES[one.kind].format(count=numbers.count(one.count), counted=counted)


def fits(one: FleetOutcome) -> str:
    """E.g. "yes, 33 left" or "no, 12 too many"."""
    if one.fits:
        return f"yes, {numbers.count(one.spare)} left"
    return f"no, {numbers.count(-one.spare)} too many" if one.spare < 0 else "no"


def largest(found: LargestFleet | None) -> str:
    if found is None:
        return numbers.MISSING
    if found.hosts is None:
        return "any"
    return WAYS[found.way].format(hosts=numbers.plural(found.hosts, "host"))


def smallest_age(found: SmallestAge) -> str:
    if found.seconds is None:
        return "No age is worth having: no request finds a kept connection."
    share = numbers.percentage(found.share)
    return (
        f"The smallest age worth having is {numbers.seconds(found.seconds)}: from there on, at least {share} of the"
        f" requests that reuse a connection at unlimited do so ({numbers.percentage(found.reuse)} of all requests;"
        f" {numbers.percentage(found.unlimited)} at unlimited)."
    )


def break_even(answer: FleetAnswer, found: BreakEven) -> str:
    by_age = numbers.listed([f"{numbers.figure(rate)} at {numbers.age(age)}" for age, rate in found.by_age])
    keeping = answer.outcomes[0].keeping
    own = ""
    if keeping.threads:
        rate = answer.rate / (answer.hosts * keeping.processes * keeping.threads)
        own = f" This fleet has {numbers.figure(rate)}."
    return (
        f"A kept connection pays for itself from so many requests per second and thread: {by_age}.{own}"
        f" It saves {numbers.measured_time(found.cpu_per_connect)} of CPU per opening at both ends, and holds"
        f" {numbers.memory(found.idle_bytes)} of memory. A core is taken to cost as much as"
        f" {numbers.gibibytes(found.bytes_per_core)} of memory."
    )


def follows(answer: FleetAnswer) -> tuple[str, ...]:
    """What follows from the figures, a sentence or two each."""
    found = []
    if answer.smallest_age is not None:
        found.append(smallest_age(answer.smallest_age))
    if answer.break_even is not None:
        found.append(break_even(answer, answer.break_even))
    return tuple(found)


def bands(answer: FleetAnswer) -> str:
    """How the figures were found."""
    repeats = sorted({one.repeats for one in answer.outcomes})
    coverage = numbers.percentage(min(one.coverage for one in answer.outcomes))
    many = numbers.plural(repeats[-1], "simulation")
    many = many if len(repeats) == 1 else f"{repeats[0]} to {many}"
    every = numbers.seconds(answer.outcomes[0].sample_seconds)
    ways = numbers.listed(list(dict.fromkeys(map(_way, answer.outcomes))))
    return (
        f"Each figure is the median of {many}, with the lowest and the highest of them in parentheses: another"
        f" simulation falls between these with a probability of {coverage}. Open connections are sampled every {every}."
        f" Simulated {ways}, seed {answer.seed}."
    )


def source(answer: FleetAnswer) -> str:
    """Where the application was measured."""
    return f"Measured: {answer.source}."


def _way(one: FleetOutcome) -> str:
    way = "with one event per opening" if one.engine == "by_opening" else "request by request"
    if one.sampled_hosts is None:
        return way
    return f"{way} on {numbers.plural(one.sampled_hosts, 'host')} that stand for all"


def caveats(answer: FleetAnswer) -> tuple[str, ...]:
    """Where these figures do not hold, or know too little."""
    called = names(answer)
    own = [
        _caveat(one, name, several=len(called) > 1)
        for name, outcome in zip(called, answer.outcomes, strict=True)
        for one in outcome.caveats
    ]
    return (*answer.remarks, *own, *(_caveat(one, "", several=False) for one in answer.caveats))


def _caveat(one: FleetCaveat, name: str, *, several: bool) -> str:
    figures = dict(one.figures)
    spelt = {key: _figure(key, value) for key, value in figures.items()}
    if one.kind == "few_repeats":
        repeats = int(figures["repeats"])
        spelt["coverage"] = numbers.percentage((repeats - 1) / (repeats + 1))
    text = CAVEATS[one.kind].format(name=name, **spelt)
    return f"{name}: {text}" if several and "{name}" not in CAVEATS[one.kind] else text


def _figure(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return labels.title(value)
    return numbers.percentage(round(value, 3)) if key in ("busy", "share") else numbers.count(value)
