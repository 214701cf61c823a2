"""Rich's console, which leaves it to the command how it ends when its reader has gone."""

from __future__ import annotations

import rich.console


class Console(rich.console.Console):
    """As rich's, which would end the process with 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError
