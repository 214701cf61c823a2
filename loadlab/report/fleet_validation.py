"""The page of a validation of the fleet model: how often it was right, each miss with its cause, and all trials."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from loadlab.fleet.validation.comparison import LEAST, LEAST_SHARE, OF_REQUESTS, SHARE
from loadlab.fleet.validation.configurations import AMPLE
from loadlab.fleet.validation.summary import (
    WANTED,
    by_event,
    by_server,
    by_strategy,
    compared,
    near_by_count,
    share,
    unfinished,
)
from loadlab.model.config import spell
from loadlab.model.fleet_validation import JUDGED
from loadlab.report import numbers
from loadlab.report.labels import short, title
from loadlab.report.markup import escape, grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.fleet.validation.summary import Compared, Share
    from loadlab.model.config import Config
    from loadlab.model.fleet_validation import Cause, Configuration, FleetFigures, Miss, Validation

FIRST: Final = 1000  # seed on which nothing was developed
RECORDED: Final = "benchmarks/recorded/fleet-validation.json"
PAGE: Final = "docs/reference/fleet-validation.md"
COMMAND: Final = "loadlab fleet --validate --trials {trials} --seed {seed} --out FOLDER"
REMAKE: Final = f"loadlab fleet --record {RECORDED} --markdown {PAGE}"
FIGURES: Final[Mapping[str, str]] = {
    "opened": "opened",
    "mean_open": "mean open",
    "p99_open": "p99 open",
    "reused": "reused",
    "refused": "refused",
}
CAUSES: Final[Mapping[Cause, str]] = {
    "event_times": "events came at other times than calibrated: with their real times, the prediction is near enough",
    "short_load": "the load sent fewer requests than were due",
    "busy_machine": "the machine had no core to spare, or sent requests late",
    "chance": "chance: nine in ten simulations of the same load differ as much",
    "unknown": "not known",
}
EVENTS: Final = {
    "rolling_deployment": "rolling deployment",
    "blue_green": "blue/green deployment",
    "database_restart": "database restart",
}


def fleet_validation_page(validation: Validation) -> str:
    trials = compared(validation)
    blocks = ["# How right the fleet model is", *_opening(validation, trials)]
    blocks += ["## How often it was near enough", summary_table(trials), _by_count(trials), *_doubtful(trials)]
    blocks += ["### By server mode", _table("server mode", _servers(trials))]
    blocks += ["### By strategy", _table("strategy", _strategies(trials))]
    blocks += ["### By what happened", _table("event", _happenings(trials))]
    blocks += ["## Every miss", *_misses(trials), *_unfinished(validation)]
    blocks += ["## All trials", *_all(validation, trials), "## How to repeat it", _repeat(validation)]
    return "\n\n".join(blocks) + "\n"


def summary_table(trials: Sequence[Compared]) -> str:
    """The share of trials within the bounds, for each figure: what the README shows."""
    rows = {"all": share(trials)}
    exact = [one for one in trials if one.exact]
    if len(exact) < len(trials):
        rows["without doubt about a count"] = share(exact)
    return _table("trials", rows)


def _by_count(trials: Sequence[Compared]) -> str:
    found = near_by_count(trials)
    each = numbers.listed([f"{FIGURES[name]} in {found[name]}" for name in OF_REQUESTS])
    return (
        f"By their counts alone, within {numbers.percentage(SHARE)} or {numbers.exact(LEAST)} requests, {each} of"
        f" {len(trials)} trials would be near enough: where few requests reuse a connection, chance decides how many."
    )


def verdict(trials: Sequence[Compared]) -> str:
    """One sentence: whether each figure is near enough as often as it has to be."""
    found = share(trials)
    worst = min(JUDGED, key=lambda name: found.near[name])
    often = f"in {found.near[worst]} of {found.trials} trials or more"
    if found.trials and found.enough:
        return f"Each figure was predicted near enough {often}."
    return (
        f"Not each figure was predicted near enough in {numbers.percentage(WANTED)} of the trials: {FIGURES[worst]}"
        f" was in {found.near[worst]} of {found.trials}."
    )


def _opening(validation: Validation, trials: Sequence[Compared]) -> Iterator[str]:
    at = datetime.fromtimestamp(validation.predicted_at, UTC)
    seeds = [one.configuration.seed for one in validation.predictions]
    yield (
        f"`loadlab fleet --validate` draws small fleets from a seed, predicts each, and then runs it: 2 to 4 servers"
        f" behind a balancer, on one PostgreSQL. {verdict(trials)}"
    )
    yield (
        f"A figure is near enough within {numbers.percentage(SHARE)} of what was measured, or within"
        f" {numbers.exact(LEAST)} connections. Reuse and refusals are shares of the requests: near enough within"
        f" {numbers.percentage(SHARE)} of the measured share, or within {numbers.percentage(LEAST_SHARE)} of all"
        f" requests (at least {numbers.exact(LEAST)}). *opened* is how many connections PostgreSQL accepted, *mean"
        " open* and *p99 open* are over samples every 0.1 s, *reused* and *refused* are requests. The times at which"
        " requests are due follow from the seed, so the model knows them; which host, process and thread each one gets"
        " is left to chance. A prediction is the mean of"
        f" {max(one.repeats for one in validation.predictions)} simulations."
    )
    developed = " Seeds below 1000 are those that the model was developed with." if min(seeds) < FIRST else ""
    stopped = "" if validation.complete else " It was stopped before its last trial."
    yield (
        f"Seeds {min(seeds)} to {max(seeds)}; {numbers.plural(len(trials), 'trial')} measured. All predictions were"
        f" written at {at:%Y-%m-%d %H:%M:%S} UTC, before the first trial began (SHA-256 {validation.digest[:16]}…)."
        f" What the model knows of server modes and application comes from {escape(validation.application)}, and not"
        f" from these trials.{developed}{stopped}"
    )
    versions = ", ".join(f"{name} {version}" for name, version in validation.versions.items())
    if versions:
        yield f"Measured on {escape(validation.machine)} with {escape(versions)}."


def _doubtful(trials: Sequence[Compared]) -> Iterator[str]:
    doubtful = [one for one in trials if not one.exact]
    if doubtful:
        yield "In these trials something makes a count doubtful; they are counted with all others above:"
        yield "\n".join(
            f"- seed {one.configuration.seed}: {escape('; '.join(one.trial.measured.gaps))}"
            for one in doubtful
            if one.trial.measured is not None
        )


def _table(what: str, rows: Mapping[str, Share]) -> str:
    head = (what, "trials", *(FIGURES[name] for name in JUDGED), "all five")
    return grid(head, ["---", *["---:"] * (len(head) - 1)], [_row(name, found) for name, found in rows.items()])


def _row(name: str, found: Share) -> tuple[str, ...]:
    shares = [*(found.near[figure] for figure in JUDGED), found.together]
    return (
        name,
        str(found.trials),
        *(numbers.percentage(near / found.trials if found.trials else None) for near in shares),
    )


def _servers(trials: Sequence[Compared]) -> dict[str, Share]:
    return {escape(title(name)): found for name, found in by_server(trials).items()}


def _strategies(trials: Sequence[Compared]) -> dict[str, Share]:
    return {_strategy_kind(kind): found for kind, found in by_strategy(trials).items()}


def _strategy_kind(kind: Config) -> str:
    if kind.name == "max_age":
        return f"`CONN_MAX_AGE = {_python(kind.parameters['max_age'])}`"
    mode = kind.parameters.get("pool_mode")
    return f"PgBouncer, {mode} pooling" if mode else "Django's pool"


def _python(age: object) -> str:
    return "None" if age is None else spell(float(str(age)))


def _happenings(trials: Sequence[Compared]) -> dict[str, Share]:
    return {
        numbers.listed([EVENTS[kind] for kind in kinds]) if kinds else "nothing": found
        for kinds, found in by_event(trials).items()
    }


def _misses(trials: Sequence[Compared]) -> Iterator[str]:
    rows = [_miss_row(one, miss) for one in trials for miss in one.trial.misses]
    if not rows:
        yield "There is none."
        return
    yield (
        "*As seen* is a second prediction, with the events at the times at which they really came. It is made after the"
        " trial, and counts for nothing above."
    )
    head = ("seed", "fleet", "figure", "predicted", "measured", "as seen", "cause")
    yield grid(head, ["---:", "---", "---", "---:", "---:", "---:", "---"], rows)


def _miss_row(one: Compared, miss: Miss) -> tuple[str, ...]:
    values = (miss.predicted, miss.measured, miss.predicted_as_seen)
    causes = "; ".join(CAUSES[cause] for cause in miss.causes)
    words = _words(one.configuration)
    return str(one.configuration.seed), words, FIGURES[miss.figure], *map(numbers.figure, values), causes


def _unfinished(validation: Validation) -> Iterator[str]:
    seeds = {one.configuration.number: one.configuration.seed for one in validation.predictions}
    broken = list(unfinished(validation))
    if broken:
        yield "These trials did not come to an end:"
        yield "\n".join(f"- seed {seeds[trial.number]}: {escape(_briefly(trial.error))}" for trial in broken)


def _all(validation: Validation, trials: Sequence[Compared]) -> Iterator[str]:
    yield "Each figure as predicted → measured; a miss is **bold**."
    predicted = {one.configuration.number: one.mean for one in validation.predictions}
    rows = [_trial_row(one, predicted[one.configuration.number], one.trial.measured) for one in trials]
    head = ("seed", "fleet", "requests", *(FIGURES[name] for name in JUDGED))
    yield grid(head, ["---:", "---", *["---:"] * (len(head) - 2)], rows)


def _trial_row(one: Compared, predicted: FleetFigures, measured: FleetFigures | None) -> tuple[str, ...]:
    if measured is None:
        raise ValueError(f"trial {one.configuration.number} was not measured")
    doubt = "" if one.exact else " (?)"
    cells = [_cell(name, predicted, measured, bold=name in one.missed) for name in JUDGED]
    return str(one.configuration.seed) + doubt, _words(one.configuration), numbers.count(measured.requests), *cells


def _cell(name: str, predicted: FleetFigures, measured: FleetFigures, *, bold: bool) -> str:
    text = f"{numbers.figure(getattr(predicted, name))} → {numbers.figure(getattr(measured, name))}"
    return f"**{text}**" if bold else text


def _words(configuration: Configuration) -> str:
    """A configuration in one cell."""
    server = configuration.server.parameters
    sizes = " × ".join(f"{server[key]}" for key in ("workers", "threads") if key in server)
    facts = [
        f"{configuration.hosts} × {title(configuration.server.name)}" + (f" ({sizes})" if sizes else ""),
        short(configuration.strategy),
        f"{numbers.exact(configuration.rate)}/s for {numbers.seconds(configuration.seconds)}",
        *(f"{EVENTS[event.kind]} at {numbers.seconds(event.at)}" for event in configuration.events),
    ]
    limit = f"max_connections {configuration.max_connections}"
    return escape(", ".join([*facts, limit] if configuration.max_connections < AMPLE else facts))


def _repeat(validation: Validation) -> str:
    first = min(one.configuration.seed for one in validation.predictions)
    command = COMMAND.format(trials=len(validation.predictions), seed=first)
    return (
        f"`{command}` predicts and runs the same fleets, and writes a record and a page like this one. `{REMAKE}` makes"
        " this page from its record."
    )


def _briefly(error: str) -> str:
    """Its first sentence and its last line: what is between is a log, with the paths of a machine."""
    first, *log = error.strip().split("\n")
    return f"{first.partition('. ')[0].rstrip('.')}: {log[-1]}" if log else first
