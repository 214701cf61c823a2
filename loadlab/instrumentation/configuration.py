"""What a project says of its instrumentation, in the setting LOADLAB: a dict, with none of its keys required."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS: Final[dict[str, type]] = {"METRICS_TOKEN": str, "METRICS_OPEN": bool, "LEDGER_DIR": str, "SERVER": str}


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """`metrics_token`: what whoever asks for /metrics must send; `metrics_open`: whether anybody may ask.

    `ledger_dir`: where the ledgers are. `server`: the command line that serves the project in production, which the
    system checks read.
    """

    metrics_token: str = ""
    metrics_open: bool = False
    ledger_dir: str = ""
    server: str = ""


def configuration() -> Configuration:
    """As the settings say; a value of the wrong type counts as none, and a system check names it."""
    return Configuration(**{key.lower(): value for key, value in _given().items() if _fault(key, value) is None})


def faults() -> Iterator[str]:
    """All that is wrong with the setting, each with what would be right."""
    return (fault for key, value in _given().items() if (fault := _fault(key, value)) is not None)


def _fault(key: str, value: object) -> str | None:
    if key not in KINDS:
        return f"LOADLAB[{key!r}] is unknown; there are {', '.join(KINDS)}"
    if not isinstance(value, KINDS[key]):
        return f"LOADLAB[{key!r}] should be a {KINDS[key].__name__}, not {type(value).__name__}"
    return None


def _given() -> dict[str, Any]:
    # A script that keeps a ledger of its own need not have settings.
    known = settings.configured or ENVIRONMENT_VARIABLE in os.environ
    return {key: _text(value) for key, value in getattr(settings, "LOADLAB", {}).items()} if known else {}


def _text(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
