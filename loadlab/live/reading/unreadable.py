"""Why a run cannot be shown: one bad folder is one run that says so, and every other is shown as ever."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.system.files import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_CHARACTERS: Final = 600


class UnreadableRunError(Exception):
    """The message says why."""


@contextmanager
def told() -> Iterator[None]:
    """Inside, every failure that a run folder causes is an UnreadableRunError.

    Raises:
        UnreadableRunError: so.
    """
    try:
        yield
    except UnreadableRunError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadableRunError("It has gone.") from error
    except (UsageError, DamagedFileError) as error:
        raise UnreadableRunError(_short(str(error))) from error
    except Exception as error:  # a folder from elsewhere may hold anything
        raise UnreadableRunError(_short(f"{type(error).__name__}: {error}")) from error


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
