"""Where a Prometheus sends on what it scrapes; a password comes from the environment alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from loadlab.errors import UsageError
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

FROM_ENVIRONMENT: Final = "env:"
EXAMPLE: Final = "http://127.0.0.1:9009/api/v1/push"


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteWrite:
    """An address of Prometheus' remote-write protocol, and who we are there if it wants to know."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)


def remote_write(given: str, environment: Mapping[str, str], *, allow_remote: bool) -> RemoteWrite:
    """What `--remote-write` names: a URL, or as env:NAME the variable that holds one, which may hold a password.

    Raises:
        UsageError: it is not an http or https URL, shows a secret, or leads to another host without permission.
    """
    named = given.startswith(FROM_ENVIRONMENT)
    text = _of_variable(given.removeprefix(FROM_ENVIRONMENT), environment) if named else given
    shown = given if named else repr(given)
    parts = _parts(text)
    if not named and (parts.username is not None or parts.query):
        raise UsageError(
            "--remote-write: this password would show in the process list. Put the URL into an environment variable and"
            " set --remote-write env:NAME."
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"--remote-write {shown} is not an http:// or https:// URL. Use one such as {EXAMPLE}.")
    _require_leave(parts, allow_remote=allow_remote)
    return RemoteWrite(
        url=urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _parts(text: str) -> SplitResult:
    """Of a URL; nothing that could be one has none of them."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # only now is it looked at
    except ValueError:
        return urlsplit("")
    return parts


def _of_variable(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        raise UsageError(f"--remote-write env:{name}: the environment variable {name} is not set. Set it to the URL.")
    return value


def _require_leave(parts: SplitResult, *, allow_remote: bool) -> None:
    if is_loopback(parts.hostname or ""):
        return
    if not allow_remote:
        raise UsageError(
            f"--remote-write leads to {parts.hostname}, not to this machine. Add --allow-remote to allow it."
        )
    if parts.username is not None and parts.scheme != "https":
        raise UsageError(f"--remote-write would send a password to {parts.hostname} without encryption. Use https.")
