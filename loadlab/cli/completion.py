"""Print a script that completes loadlab's commands and options in a shell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

PATHS: Final = ("FILE", "DIR")  # of options that are kept as text


EXAMPLES: Final = (
    ("loadlab completion bash > ~/.local/share/bash-completion/completions/loadlab", "install completion for bash"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "shell", choices=("bash", "zsh", "fish", "tcsh"), metavar="SHELL", help="the shell: bash, zsh, fish or tcsh"
    )


def execute(arguments: argparse.Namespace) -> int:
    import shtab

    from loadlab.cli import parser

    whole = parser()
    for action in _actions(whole):
        if action.type is Path or action.metavar in PATHS:
            action.complete = shtab.DIRECTORY if action.metavar == "DIR" else shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(whole, shell=arguments.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to list them
        yield action
        for command in action.choices.values() if isinstance(action.choices, dict) else ():
            yield from _actions(command)
