"""The page "What happens when…": what each fault did in a recorded run, by server mode and strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content import aftermaths
from loadlab.report.markup import escape, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.config import Scalar
    from loadlab.model.findings import Findings
    from loadlab.report.content.aftermaths import AftermathSection

RECORDED: Final = "benchmarks/recorded/faults.json"
COMMAND: Final = "python benchmarks/what_happens_when.py"
INTRODUCTION: Final = (
    "What each fault did to requests, throughput and connections while a load ran, in two server modes and with several"
    " strategies. [Faults](faults.md) says how each is tested, and [plans](plan.md#faults) how to measure them on your"
    " own project."
)
AGAIN: Final = (
    f"`loadlab run plans/faults.toml` measures it again. `{COMMAND} RUN_FOLDER` makes this page and its record,"
    f" [{RECORDED}](../../{RECORDED}). Without a folder, it makes the page from the record."
)
VERSIONS: Final = ("django", "gunicorn", "psycopg2-binary", "pgbouncer")


def what_happens_when_page(findings: Findings, missing: Sequence[str] = ()) -> str:
    """In Markdown, from a run with faults; `missing` are those that it did not measure.

    Raises:
        ValueError: the run has none.
    """
    section = aftermaths.build(findings)
    if section is None:
        raise ValueError("the run has no faults")
    blocks = [
        "# What happens when…",
        INTRODUCTION,
        *_lessons(section),
        *_tables(findings, section),
        "## How it was measured",
        *map(escape, section.lead),
        _measured(findings),
        *([f"Not measured in this run: {numbers.listed([f'`{name}`' for name in missing])}."] if missing else []),
        AGAIN,
    ]
    return "\n\n".join(blocks) + "\n"


def _lessons(section: AftermathSection) -> Iterator[str]:
    """What to know of each fault."""
    yield "## In short"
    yield "\n".join(f"- **{escape(fault)}**: {escape(told)}" for fault, told in section.lessons)


def _tables(findings: Findings, section: AftermathSection) -> Iterator[str]:
    """The rows of each fault, under its name."""
    yield "## In figures"
    yield escape(section.table.caption) + "."
    for lesson in findings.aftermaths.lessons:
        words = lesson.fault.words
        rows = tuple(row[1:] for row in section.table.rows if row[0] == words and not row[3].startswith("0"))
        yield f"### {escape(words)}"
        yield (
            table(replace(section.table, columns=section.table.columns[1:], rows=rows))
            if rows
            else ("No trial was complete.")
        )


def _measured(findings: Findings) -> str:
    run, environment = findings.run, findings.environment
    versions = environment.get("versions", {})
    told = [f"{name} {versions[name]}" for name in VERSIONS if name in versions]
    postgresql, machine = environment.get("PostgreSQL", {}), environment.get("machine", {})
    trials = sum(len(one.trials) for one in findings.aftermaths.cases)
    unusable = sum(one.unusable for one in findings.aftermaths.cases)
    left = run.trials_planned - run.trials_done
    return escape(
        f"{run.started[:10]}, {machine.get('cores')} cores{_load(machine)}, PostgreSQL {postgresql.get('version')},"
        f" {', '.join(told)}; 8 users without keep-alive, windows of {numbers.exact(run.window_seconds)} s."
        f" {numbers.plural(trials, 'trial')} with a fault were complete, {numbers.count(unusable)} were not."
        + (f" The run was ended {numbers.plural(left, 'trial')} early." if left else "")
    )


def _load(machine: Mapping[str, Scalar]) -> str:
    """What else ran: it makes times longer, and changes no count."""
    load = machine.get("load_average_before_run")
    return f" (load average {load} before the run)" if load else ""
