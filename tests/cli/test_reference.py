"""The help of every command: it is complete, its examples are valid, and the reference page follows it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from loadlab import errors
from loadlab.cli import COMMANDS, parser
from loadlab.cli._help import EXIT_CODES, FIRST_STEPS
from loadlab.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_reference_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "Run `make cli-reference`."


def test_every_example_of_the_help_is_a_valid_command_line() -> None:
    shown = [*FIRST_STEPS, *(example for command in COMMANDS for example in command.EXAMPLES)]
    assert len(shown) > len(COMMANDS)
    for line, _ in shown:
        words = shlex.split(line.partition(" > ")[0])
        if words[0] == "loadlab":
            parser().parse_args(words[1:])  # exits where it is not valid


def test_the_help_lists_the_exit_code_of_every_error_class() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type) and "exit_code" in vars(one)]
    codes = {str(one.exit_code) for one in classes} | {str(errors.BUG_EXIT_CODE), "0"}
    assert {code for code, _ in EXIT_CODES} == codes


def test_the_help_explains_every_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["--help"])
    top = capsys.readouterr().out
    assert all(f"  {code}  " in top for code, _ in EXIT_CODES)
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        assert f"    {name}" in top
        with pytest.raises(SystemExit):
            parser().parse_args([name, "--help"])
        assert "examples:" in capsys.readouterr().out
    assert "|  |\n" not in reference().replace("|  |\n| --- |", "")  # no argument without an explanation
