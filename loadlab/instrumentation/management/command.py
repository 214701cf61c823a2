"""A management command that ends as `loadlab` does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from loadlab.errors import LabError, StoppedError
from loadlab.system.ending import ended, open_streams

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(BaseCommand):
    """Has the exit codes of `loadlab`, also after a signal and where its output cannot be written.

    `handle` raises LabErrors. A project that calls the command from its code gets them as CommandError.
    """

    requires_system_checks = ()

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  Django's
        open_streams()
        super().__init__(*args, **options)

    def run_from_argv(self, argv: Sequence[str]) -> None:
        if code := ended(lambda: self._run(argv)):
            sys.exit(code)

    def _run(self, argv: Sequence[str]) -> int:
        super().run_from_argv(list(argv))
        return 0

    def execute(self, *args: Any, **options: Any) -> str | None:  # noqa: ANN401  Django's
        try:
            return super().execute(*args, **options)
        except StoppedError:
            raise
        except LabError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
