"""Reads the command line; answers a misspelt command, option or choice with the likely one."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, Final, NoReturn

from loadlab.model.spelling import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHOICE: Final = re.compile(r"invalid choice: '([^']*)'")


class Parser(argparse.ArgumentParser):
    """Argparse's, whose commands complain of unknown options themselves, with their own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401  argparse's own
        """The arguments; what is not known is refused here, and not by the parser above."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = (option for action in self._actions for option in action.option_strings)
            guess = did_you_mean(unknown[0].partition("=")[0], options) if unknown[0].startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_said(guess)}")
        return parsed, unknown

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:  # noqa: ANN401  argparse's own
        """A value; an empty one is refused, as that of a script whose variable is not set."""
        if not arg_string and action.nargs != argparse.PARSER:  # a command's arguments: its own parser says it
            raise argparse.ArgumentError(action, "is empty; give a value, or leave it out")
        return super()._get_value(action, arg_string)

    def error(self, message: str) -> NoReturn:
        if misspelt := _CHOICE.search(message):
            message += _said(did_you_mean(misspelt[1], self._choices()))
        super().error(message)

    def _choices(self) -> Iterable[str]:
        return (str(choice) for action in self._actions for choice in action.choices or ())


def _said(guess: str) -> str:
    return f"; {guess}" if guess else ""
