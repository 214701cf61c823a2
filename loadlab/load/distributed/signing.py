"""Signs the messages between a master and its workers with a token that both have and that is never sent.

The master of a run makes the token, unless `LOADLAB_WORKER_TOKEN` names one, and leaves it in a file for workers of the
same user on the same host. Elsewhere the variable brings it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgpack

from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKEN_VARIABLE: Final = "LOADLAB_WORKER_TOKEN"  # noqa: S105  where it is, not what it is
CALL_ROLE, REPLY_ROLE = b"asks", b"answers"


class BadSignatureError(Exception):
    """A message is not signed with this run's token."""


class Signer:
    """Signs and verifies messages; `token` is read each time, because a worker may start before the token exists."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def sign(self, role: bytes, worker: str, content: dict[str, Any]) -> dict[str, Any]:
        """The content with its signature, which holds for this `role` and this `worker` only."""
        text = msgpack.packb([worker, content])
        return {"text": text, "proof": self._proof(role, text)}

    def verify(self, role: bytes, worker: str, message: Any) -> dict[str, Any]:  # noqa: ANN401  anybody may have sent it
        """The content of a message.

        Raises:
            BadSignatureError: the sender does not have the token, or the message is for another worker.
        """
        try:
            text, proof = bytes(message["text"]), bytes(message["proof"])
        except (TypeError, KeyError, ValueError) as error:
            raise BadSignatureError from error
        if not self._token() or not hmac.compare_digest(proof, self._proof(role, text)):
            raise BadSignatureError
        meant, content = msgpack.unpackb(text, strict_map_key=False)
        if meant != worker:
            raise BadSignatureError
        opened: dict[str, Any] = content
        return opened

    def _proof(self, role: bytes, text: bytes) -> bytes:
        return hmac.digest(self._token().encode(), role + b"\0" + text, hashlib.sha256)


def token_file(port: int) -> Path:
    """Where the master at that port leaves its token for workers of this user on this host."""
    return state_directory() / f"workers-{port}.token"


def token_here(port: int) -> Callable[[], str]:
    """The token that a worker has: of the environment, from where it is taken, or else of the file."""
    given = os.environ.pop(TOKEN_VARIABLE, "")

    def token() -> str:
        if given:
            return given
        with suppress(OSError):
            return token_file(port).read_text().strip()
        return ""

    return token
