"""What a project says of its instrumentation, in the setting LOADLAB: a dict, with none of its keys required."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY_VARIABLE: Final = "LOADLAB_LEDGER_DIR"
KINDS: Final[dict[str, type]] = {"METRICS_TOKEN": str, "METRICS_OPEN": bool, "LEDGER_DIR": str, "SERVER": str}


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """`metrics_token`: what a request for /metrics must send; `metrics_open`: whether it may do without.

    `ledger_dir`: where the ledgers are. `server`: the command line that serves the project in production, which the
    system checks read.
    """

    metrics_token: str = ""
    metrics_open: bool = False
    ledger_dir: str = ""
    server: str = ""


def configuration() -> Configuration:
    """As the settings say; a value that is wrong counts as none, and a system check names it.

    LOADLAB_LEDGER_DIR in the environment goes before the setting.
    """
    given = {key.lower(): value for key, value in _given().items() if _fault(key, value) is None}
    directory = os.environ.get(DIRECTORY_VARIABLE, "")
    if directory and _fault_of_directory(DIRECTORY_VARIABLE, directory) is None:
        given["ledger_dir"] = directory
    return Configuration(**given)


def faults() -> Iterator[str]:
    """All that is wrong with the setting, each with what would be right."""
    said = _said()
    if not isinstance(said, Mapping):
        yield f"LOADLAB should be a dict, not {type(said).__name__}; leave it out to have nothing set"
    for key, value in _given().items():
        if (fault := _fault(key, value)) is not None:
            yield fault
    if (fault := _fault_of_directory(DIRECTORY_VARIABLE, os.environ.get(DIRECTORY_VARIABLE, ""))) is not None:
        yield fault


def _fault(key: str, value: object) -> str | None:
    if key not in KINDS:
        return f"LOADLAB[{key!r}] is unknown; there are {', '.join(KINDS)}"
    if not isinstance(value, KINDS[key]):
        return f"LOADLAB[{key!r}] should be a {KINDS[key].__name__}, not {type(value).__name__}"
    if key == "SERVER":
        return _fault_of_command(str(value))
    return _fault_of_directory("LOADLAB['LEDGER_DIR']", str(value)) if key == "LEDGER_DIR" else None


def _fault_of_command(text: str) -> str | None:
    try:
        shlex.split(text)
    except ValueError as error:
        return f"LOADLAB['SERVER'] should be a command line as a shell takes it: {error} in {text!r}"
    return None


def _fault_of_directory(name: str, text: str) -> str | None:
    if not text or Path(text).is_absolute():
        return None
    # Processes that work in different folders would be counted apart from each other.
    return f"{name} should be an absolute path, not {text!r}: all processes of the service must find the same folder"


def _given() -> dict[str, Any]:
    said = _said()
    return {key: _text(value) for key, value in said.items()} if isinstance(said, Mapping) else {}


def _said() -> object:
    # A script that keeps its own ledger may have no settings.
    known = settings.configured or ENVIRONMENT_VARIABLE in os.environ
    return getattr(settings, "LOADLAB", {}) if known else {}


def _text(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value
