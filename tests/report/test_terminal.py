"""The terminal report fits its width and lets nothing through that acts on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from every import every
from factories import reports
from rich.cells import cell_len

from loadlab.model.caveats import Caveat, CaveatKind
from loadlab.model.labels import short_names
from loadlab.report.content import matrix, story
from loadlab.report.formats.terminal import Terminal

ANSI = re.compile(r"\x1b\[[0-9;]*m")


@every("variant", reports.VARIANTS)
@every("width", [60, 80, 120])
@pytest.mark.thorough
def test_no_line_is_wider_than_the_terminal(variant: str, width: int) -> None:
    lines = Terminal(width=width).render(reports.VARIANTS[variant]()).splitlines()
    assert max(map(cell_len, lines)) <= width


def test_without_colour_no_escape_sequence_is_written() -> None:
    assert "\x1b" not in Terminal(colour=False).render(reports.findings())


def test_colour_adds_escape_sequences_and_changes_no_word() -> None:
    coloured = Terminal(colour=True).render(reports.findings())
    assert ANSI.search(coloured)
    bare = "\n".join(line.rstrip() for line in ANSI.sub("", coloured).splitlines())
    assert bare.strip() == Terminal(colour=False).render(reports.findings()).strip()


def test_the_environment_does_not_change_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Terminal(colour=True).render(reports.findings())
    for name, value in {"NO_COLOR": "1", "COLUMNS": "30", "TERM": "dumb", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    assert Terminal(colour=True).render(reports.findings()) == before


def test_control_characters_in_names_do_not_reach_the_terminal() -> None:
    text = Terminal().render(reports.hostile())
    assert "\x1b" not in text
    assert "\N{REPLACEMENT CHARACTER}[31m" in text


def test_markup_in_names_is_shown_and_not_obeyed() -> None:
    text = Terminal(colour=True).render(reports.with_answer("[bold red]not red[/] :boom:"))
    assert "[bold red]not red[/] :boom:" in ANSI.sub("", text)


def test_what_to_set_answer_matrix_noise_and_caveats_come_in_order() -> None:
    text = Terminal(width=120).render(reports.findings())
    landmarks = ["What to set", "No single default fits", "Server modes × strategies", "Noise floor", "Caveats"]
    places = [text.index(landmark) for landmark in landmarks]
    assert places == sorted(places)


def test_each_mode_says_what_to_set_why_and_how_sure_that_is() -> None:
    text = Terminal(width=140).render(reports.findings()).partition("What to set")[2].partition("No single default")[0]
    sync = text.partition("gunicorn sync")[2].partition("gunicorn gevent")[0]
    for words in ("CONN_MAX_AGE = 60", "2.47× (2.42–2.52)", "at most 2 connections open", "proven: p = "):
        assert words in sync
    assert "60 s and unlimited leak: " in text


def test_a_leak_stands_before_the_figures_of_its_cell() -> None:
    text = Terminal(width=140).render(reports.findings()).partition("Server modes × strategies")[2]
    threaded = text.partition("gunicorn sync")[0]
    assert threaded.index("LEAK") < threaded.index("× (")
    assert "inconclusive" not in threaded
    assert "worse" not in threaded


def test_an_incomplete_run_says_so_before_anything_else() -> None:
    text = Terminal().render(reports.empty())
    assert "This run is incomplete: 90 trials missing." in text.partition("holds no answer")[0]


def test_failed_trials_do_not_count_as_missing() -> None:
    run = reports.findings().run
    said = story.warning(replace(run, state="incomplete", trials_done=run.trials_planned))
    assert said.startswith("This run is incomplete: trials failed")
    assert "missing" not in said


def test_a_run_with_invalid_trials_says_so_and_why_before_anything_else() -> None:
    full = reports.findings()
    reason = "requests were sent late"
    text = Terminal(width=140).render(replace(full, run=replace(full.run, trials_invalid=3, invalid_because=reason)))
    first, second = text.splitlines()[:2]
    assert "80 of 80 trials, 3 of them invalid" in first
    assert second == f"3 of 80 trials invalid, the first because: {reason}. The caveats name each."


def test_a_matrix_of_many_strategies_is_turned_and_judges_each() -> None:
    text = Terminal(width=120).render(reports.strategies(("sync", "gevent"), (0.0,), 12))
    matrix = text.partition("Server modes × strategies")[2]
    row = next(line for line in matrix.splitlines() if line.strip().startswith("worker_exit_hook"))
    assert "× ▲" in row
    assert "LEAK" in row


def test_a_matrix_too_wide_for_any_terminal_is_left_to_the_pages() -> None:
    text = Terminal(width=120).render(reports.strategies())
    assert "Too wide for a terminal: see report.html or report.md" in " ".join(text.split())


def test_of_many_caveats_the_gravest_are_shown_and_the_rest_counted() -> None:
    found = reports.findings(blocks=1)
    many = replace(found, caveats=found.caveats * 20)
    text = Terminal().render(many)
    assert "25 more: see report.html or report.md." in text
    assert "more: see report.html" not in Terminal().render(found)


@every("variant", reports.VARIANTS)
def test_a_narrow_terminal_gets_a_list_in_place_of_the_matrix(variant: str) -> None:
    findings = reports.VARIANTS[variant]()
    section = Terminal(width=79).render(findings).partition("Server modes × strategies")[2].partition("Noise floor")[0]
    measured = [cell for row in matrix.build(findings).rows for cell in row.cells if cell and cell.measured]
    assert section.count("requests/s, ") == len(measured)


def test_caveats_name_cases_as_briefly_as_tells_them_apart() -> None:
    findings = reports.findings()
    case = findings.arms[0].case
    noted = replace(
        findings,
        caveats=(Caveat(kind=CaveatKind.PAIRS_SILENT, subject=case, figures={"blocks": (1,), "baseline": case}),),
    )
    text = Terminal(width=140).render(noted)
    assert case.id not in text
    assert short_names([arm.case for arm in findings.arms])[case] in text
