"""What a project says of its instrumentation, in the setting LOADLAB: a dict, with none of its keys required."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import ENVIRONMENT_VARIABLE, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

DIRECTORY_VARIABLE: Final = "LOADLAB_LEDGER_DIR"
PORT_VARIABLE: Final = "LOADLAB_METRICS_PORT"
LOOPBACK: Final = "127.0.0.1"
LARGEST_PORT: Final = 65535
KINDS: Final[dict[str, type]] = {"METRICS_TOKEN": str, "METRICS_OPEN": bool, "LEDGER_DIR": str, "SERVER": str}


@dataclass(frozen=True, kw_only=True, slots=True)
class InstrumentationConfiguration:
    """`metrics_token`: what a request for /metrics must send; `metrics_open`: whether it may do without.

    `ledger_dir`: where the ledgers are. `server`: the command line that serves the project in production, which the
    system checks read. `metrics_port`: address and port at which a worker serves the metrics, if any.
    """

    metrics_token: str = ""
    metrics_open: bool = False
    ledger_dir: str = ""
    server: str = ""
    metrics_port: tuple[str, int] | None = None


def configuration() -> InstrumentationConfiguration:
    """As the settings say; a value that is wrong counts as none, and a system check names it.

    LOADLAB_LEDGER_DIR in the environment goes before the setting. LOADLAB_METRICS_PORT is no setting: it is for some
    processes of a project, and not for others.
    """
    given = {key.lower(): value for key, value in _given().items() if _fault(key, value) is None}
    directory = os.environ.get(DIRECTORY_VARIABLE, "")
    if directory and _fault_of_directory(DIRECTORY_VARIABLE, directory) is None:
        given["ledger_dir"] = directory
    found = InstrumentationConfiguration(**given)
    port = os.environ.get(PORT_VARIABLE, "")
    return replace(found, metrics_port=_split_port(port)) if port and _fault_of_port(port, found) is None else found


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
    if (fault := _fault_of_port(os.environ.get(PORT_VARIABLE, ""), configuration())) is not None:
        yield fault


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener there."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    mapped = getattr(found, "ipv4_mapped", None)
    return found.is_loopback if mapped is None else mapped.is_loopback


def _split_port(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]") or LOOPBACK, int(port)


def _fault_of_port(text: str, configured: InstrumentationConfiguration) -> str | None:
    port = text.rpartition(":")[2]
    if not text:
        return None
    digits = len(str(LARGEST_PORT))
    if not port.isdecimal() or len(port) > digits or not 0 < int(port) <= LARGEST_PORT:
        return f"{PORT_VARIABLE} should be a port or an address and a port, such as 9183 or 0.0.0.0:9183, not {text!r}"
    address, _ = _split_port(text)
    if is_loopback(address) or configured.metrics_token or configured.metrics_open:
        return None
    return f"{PORT_VARIABLE} names {address}, where anybody could read the metrics: set LOADLAB['METRICS_TOKEN'] first"


def _fault(key: str, value: object) -> str | None:
    if key not in KINDS:
        return f"LOADLAB[{key!r}] is unknown; there are {', '.join(KINDS)}"
    if not isinstance(value, KINDS[key]):
        return f"LOADLAB[{key!r}] should be a {KINDS[key].__name__}, not {type(value).__name__}"
    if key == "SERVER":
        return _fault_of_command(str(value))
    return _fault_of_directory("LOADLAB['LEDGER_DIR']", str(value)) if key == "LEDGER_DIR" else None


def _fault_of_command(text: str) -> str | None:
    import shlex  # noqa: PLC0415  most processes need none

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
