"""Writes the table of docs/reference/spread.md from a run of plans/spread.toml: `python benchmarks/spread.py RUN`."""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.fleet.application import together
from loadlab.model.fleet import NEVER
from loadlab.plan.members import build_server
from loadlab.report import numbers
from loadlab.report.content.spread import chosen
from loadlab.report.labels import title
from loadlab.report.markup import grid
from loadlab.store.reader import RunReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.model.config import Config, Scalar
    from loadlab.model.fleet import Spread
    from loadlab.model.samples import Trial
    from loadlab.model.uses import Uses

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "reference" / "spread.md"
BEGIN, END = "<!-- from a run -->", "<!-- end -->"
MANY: Final = 1000  # clients
HEAD: Final = ("server mode", "busiest process", "chosen", "busiest thread", "chosen", "garbage waits for")
NONE: Final = "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the folder of a run of plans/spread.toml")
    run = RunReader.at(parser.parse_args().run)
    write(section(run.trials_in_extract()[0], run.sessions()[0][-1].environment))


def write(made: str) -> None:
    """Put the table into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}", encoding="utf-8")


def section(trials: Iterable[Trial], environment: Mapping[str, Mapping[str, Scalar]]) -> str:
    """What was measured, on what; and the table."""
    measured: dict[Config, dict[float, Uses]] = defaultdict(dict)
    for trial in trials:
        case = trial.case
        if trial.uses is not None and case.server is not None and case.open_load is not None and not case.replica:
            measured[case.server][case.open_load.rate] = trial.uses
    rates = sorted({rate for by_rate in measured.values() for rate in by_rate})
    rows = [_row(server, [by_rate.get(rate) for rate in rates]) for server, by_rate in measured.items()]
    shares = f"Shares are at {', '.join(map(numbers.exact, rates))} requests/s."
    return f"{shares} {_setting(environment)}\n\n{grid(HEAD, ['---'] * len(HEAD), sorted(rows))}"


def _row(config: Config, seen: Sequence[Uses | None]) -> tuple[str, ...]:
    server = build_server(config)
    processes = server.processes()
    threads = server.lasting_connections(MANY, keep_alive=False) // processes
    spread = together([one for one in seen if one is not None])
    shares = [one and one.spread for one in seen]
    return (
        f"{title(config.name)}, {processes} × {threads or 'a thread per request'}",
        _busiest([one and one.by_process for one in shares], processes),
        chosen(spread.processes) if processes > 1 else NONE,
        _busiest([one and one.by_thread for one in shares], processes * threads) if threads > 1 else NONE,
        _of_threads(spread) if threads > 1 else NONE,
        NONE if threads else _waits(seen[:-1]),
    )


def _waits(seen: Sequence[Uses | None]) -> str:
    """Of all rates but the highest, where requests meet each other and more of them are kept at each search."""
    lags = together([one for one in seen if one is not None]).collected_after
    never = lags.count(NEVER) / len(lags)
    half, most = (lags[len(lags) * share // 100] for share in (50, 90))
    return f"{half} requests (90 %: {most}; to the end: {numbers.percentage(never)})"


def _of_threads(spread: Spread) -> str:
    return chosen(spread.threads) + ("; a thread starts when none is idle" if spread.lazy_threads else "")


def _busiest(shares: Sequence[tuple[float, ...] | None], members: int) -> str:
    """Its share at each rate, beside what an even one would be."""
    if members < 2 or not any(shares):  # noqa: PLR2004
        return NONE
    return f"{' / '.join(f'{one[0]:.0%}' if one else NONE for one in shares)} (even: {1 / members:.0%})"


def _setting(environment: Mapping[str, Mapping[str, Scalar]]) -> str:
    machine, versions = environment["machine"], environment["versions"]
    told = ", ".join(f"{name} {version}" for name, version in versions.items() if "gc" not in name)
    return (
        f"{machine['cores']} cores, Linux {machine['kernel']}, Python {environment['loadlab']['python']}; load average"
        f" before the run: {machine['load_average_at_start']}. {told}."
    )


if __name__ == "__main__":
    main()
