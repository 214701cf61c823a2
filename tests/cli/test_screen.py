"""Output fits the terminal that it goes to: its width, its colours, and whether lines may be drawn over."""

from __future__ import annotations

import io
import os
from argparse import Namespace
from typing import TYPE_CHECKING, TextIO

import pytest
from command_line import SMALL_PLAN

from loadlab.cli._progress import display
from loadlab.cli._screen import Screen, width
from loadlab.model.labels import short_names
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import InProcess


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """One end of a real terminal, as a program has it for its output."""
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:
        yield stream
    os.close(master)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("color", "environment", "coloured"),
    [
        ("auto", {}, True),
        ("auto", {"NO_COLOR": "1"}, False),
        ("auto", {"NO_COLOR": ""}, True),
        ("auto", {"TERM": "dumb"}, False),
        ("never", {}, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, True),
    ],
)
def test_a_terminal_has_colours_unless_it_or_the_user_refuses(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch, color: str, environment: dict[str, str], *, coloured: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Screen(color=color).colours(terminal) is coloured


@pytest.mark.parametrize("color", ["always", "never"])
def test_the_option_for_colour_overrides_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    Screen(color=color).console(120).print("[red]words[/]")
    assert ("\x1b[31m" in capsys.readouterr().out) is (color == "always")


def test_a_reader_that_has_gone_is_the_commands_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        with pytest.raises(BrokenPipeError):
            Screen().console(120).print("words " * 10_000)


def test_a_pipe_has_colours_only_on_demand() -> None:
    assert not Screen().colours(io.StringIO())
    assert Screen(color="always").colours(io.StringIO())


@pytest.mark.parametrize(("columns", "columns_used"), [("40", 60), ("80", 80), ("113", 113), ("300", 140)])
def test_the_width_is_the_terminals_within_what_is_readable(
    monkeypatch: pytest.MonkeyPatch, columns: str, columns_used: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert width() == columns_used


@pytest.mark.parametrize(
    ("term", "quiet", "moves"), [("xterm", False, True), ("dumb", False, False), ("xterm", True, False)]
)
def test_lines_are_drawn_over_on_a_terminal_that_can_and_wants_it(
    terminal: TextIO, monkeypatch: pytest.MonkeyPatch, term: str, *, quiet: bool, moves: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    assert Screen(quiet=quiet).moves(terminal) is moves


def test_quiet_is_read_where_a_command_has_it() -> None:
    assert Screen.of(Namespace(color="never", quiet=True)) == Screen(color="never", quiet=True)
    assert Screen.of(Namespace(color="auto")) == Screen()


def shown(capsys: pytest.CaptureFixture[str], *, quiet: bool) -> list[str]:
    """What a run of three trials prints where there is no terminal."""
    cases = read_plan(SMALL_PLAN.format(blocks=1), "plan").cases
    with display(Screen(quiet=quiet), 60.0, short_names(cases)) as listener:
        listener.preparing("PostgreSQL starts")
        listener.notice("the database is your own")
        for done, case in enumerate(cases):
            listener.trial_begins(case, done, len(cases))
            ended = Namespace(case=case, state="complete", reason="")
            listener.trial_ended(ended, done + 1, len(cases))  # type: ignore[arg-type]  all that is looked at
    return capsys.readouterr().err.splitlines()


def test_progress_has_short_names_the_last_trial_and_the_total_time(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, quiet=False)
    assert lines[:2] == ["PostgreSQL starts …", "note: the database is your own"]
    assert [line.partition("  ")[2] for line in lines[2:5]] == [
        "sync/max_age=0",
        "sync/max_age=0/replica",
        "sync/max_age=none",
    ]
    assert lines[2].startswith("trial 1 of 3, ETA ")
    assert lines[3].startswith("trial 2 of 3, last one  ")
    assert lines[4].startswith("trial 3 of 3, done  ")
    assert lines[5] == "3 trials in 0 s"


def test_quiet_shows_notes_and_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, quiet=True) == ["note: the database is your own"]


@pytest.mark.parametrize("reference", ["postgres://x", "env:NOT_SET_ANYWHERE"])
def test_a_reference_is_looked_at_before_anything_is_prepared(here: InProcess, tmp_path: Path, reference: str) -> None:
    for command in (("run", "--out", tmp_path / "run", "--quiet"), ("serve",)):
        done = here(*command, "--dsn", reference)
        assert done.code == 2
        assert "connecting" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
