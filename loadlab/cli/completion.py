"""Print a script that completes loadlab's commands and options in a shell.

In bash, for example: loadlab completion bash > ~/.local/share/bash-completion/completions/loadlab
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), metavar="SHELL", help="bash, zsh, fish, tcsh")


def execute(arguments: argparse.Namespace) -> int:
    import shtab

    from loadlab.cli import parser

    print(shtab.complete(parser(), shell=arguments.shell))
    return 0
