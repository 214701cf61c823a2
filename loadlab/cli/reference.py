"""Writes docs/reference/cli.md from the commands themselves: `python -m loadlab.cli.reference` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.cli import COMMANDS, parser
from loadlab.cli._help import EXIT_CODES, FIRST_STEPS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

INTRODUCTION = """\
# Command line

This page is generated from the commands with `make cli-reference`. `loadlab COMMAND --help` prints the same text.
`loadlab --version` prints the version.
"""


def reference() -> str:
    """The whole page, in Markdown."""
    commands = _commands()
    blocks = [INTRODUCTION.rstrip(), _code(FIRST_STEPS), _index(commands)]
    for module in COMMANDS:
        name = module.__name__.rpartition(".")[2]
        blocks += _command(name, commands[name], module.EXAMPLES)
    return "\n\n".join([*blocks, "## Exit codes", _table(("code", "meaning"), EXIT_CODES)]) + "\n"


def _commands() -> dict[str, argparse.ArgumentParser]:
    (chosen,) = (action for action in parser()._actions if isinstance(action.choices, dict))  # noqa: SLF001
    return dict(chosen.choices or {})


def _index(commands: dict[str, argparse.ArgumentParser]) -> str:
    rows = [(f"[`{name}`](#loadlab-{name})", (one.description or "").splitlines()[0]) for name, one in commands.items()]
    return _table(("command", "what it does"), rows)


def _command(name: str, command: argparse.ArgumentParser, shown: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"## loadlab {name}"
    yield command.description or ""
    # argparse has no other way to list groups and their arguments.
    for group in command._action_groups:  # noqa: SLF001
        rows = [(_spelt(action), action.help or "") for action in group._group_actions if action.dest != "help"]  # noqa: SLF001
        if rows:
            yield _table((group.title or "", ""), rows)
    yield _code(shown)


def _spelt(action: argparse.Action) -> str:
    """An argument with its value, as a user types it."""
    value = action.metavar or (f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper())
    if not action.option_strings:
        return f"`[{value}]`" if action.nargs == "?" else f"`{value}`"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        return names
    return f"{names} `[{value}]`" if action.nargs == "?" else f"{names} `{value}`"


def _table(head: Sequence[str], rows: Sequence[tuple[str, str]]) -> str:
    lines = [tuple(head), ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _code(shown: Sequence[tuple[str, str]]) -> str:
    lines = (f"# {does}\n{command}" for command, does in shown)
    return "\n".join(["```console", *lines, "```"])


if __name__ == "__main__":
    print(reference(), end="")
