"""How PostgreSQL asks a role for its password, learnt without logging in, and what can be derived from the password.

Who stores the very secret that PostgreSQL stores (same salt, same iterations) can check a client at the cost of a few
hashes, and log in to PostgreSQL with what the client has proven. Who stores the password itself must derive the secret
anew for each client, which takes some milliseconds: no pooler in production should, and so none under test. A client
derives its keys as often; one that keeps them need not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import ssl
import stringprep
import struct
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Method = Literal["trust", "plain", "md5", "scram-sha-256"]

PATIENCE_SECONDS: Final = 10.0
MECHANISM: Final = b"SCRAM-SHA-256"
NONCE: Final = b"only-the-salt-is-wanted"  # the exchange is never finished
_PROTOCOL: Final = 3 << 16
_TLS_REQUEST: Final = 80877103
_SASL: Final = 10
_METHODS: Final[dict[int, Method]] = {0: "trust", 3: "plain", 5: "md5", _SASL: "scram-sha-256"}
# RFC 4013 allows none of these.
_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What PostgreSQL wants of a role; `salt` and `iterations` are those of its SCRAM secret."""

    method: Method
    salt: bytes = b""
    iterations: int = 0

    def secret(self, user: str, password: str) -> str:
        """What PostgreSQL itself has stored for the role, where it is asked for; the password where it is sent."""
        if self.method == "scram-sha-256":
            return self._scram_secret(password)
        if self.method == "md5":
            return "md5" + hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
        return password if self.method == "plain" else ""

    def keys(self, password: str) -> tuple[bytes, bytes]:
        """The client's and the server's key of SCRAM: the first logs in without the password, until it is changed.

        Neither says what the password is; the server stores a hash of the first, and the second.
        """
        salted = hashlib.pbkdf2_hmac("sha256", _prepared(password).encode(), self.salt, self.iterations)
        client, server = (hmac.digest(salted, b"%s Key" % side, "sha256") for side in (b"Client", b"Server"))
        return client, server

    def _scram_secret(self, password: str) -> str:
        client, server = self.keys(password)
        stored, salt64, server64 = (
            base64.b64encode(part).decode() for part in (hashlib.sha256(client).digest(), self.salt, server)
        )
        return f"SCRAM-SHA-256${self.iterations}:{salt64}${stored}:{server64}"


def demand(host: str, port: int, user: str, database: str, *, encrypted: bool) -> Demand:
    """What the server wants of `user`; `host` may be the folder of a Unix socket. It sees no session, and no password.

    Raises:
        OSError: it is not there, or does not speak as PostgreSQL does.
    """
    with _link(host, port, encrypted=encrypted) as link:
        parameters = b"\0".join([b"user", user.encode(), b"database", database.encode(), b"", b""])
        link.sendall(struct.pack("!ii", len(parameters) + 8, _PROTOCOL) + parameters)
        code, _ = _authentication(link)
        if code not in _METHODS:
            raise OSError(f"PostgreSQL wants authentication of kind {code}, for which nothing can be derived")
        if code != _SASL:
            return Demand(method=_METHODS[code])
        first = b"n,,n=,r=" + NONCE
        answer = MECHANISM + b"\0" + struct.pack("!i", len(first)) + first
        link.sendall(b"p" + struct.pack("!i", len(answer) + 4) + answer)
        _, challenge = _authentication(link)
    terms = dict(term.split("=", 1) for term in challenge.decode().split(","))
    return Demand(method="scram-sha-256", salt=base64.b64decode(terms["s"]), iterations=int(terms["i"]))


@contextmanager
def _link(host: str, port: int, *, encrypted: bool) -> Iterator[socket.socket]:
    with _dialled(host, port) as plain:
        if not encrypted:
            yield plain
            return
        plain.sendall(struct.pack("!ii", 8, _TLS_REQUEST))
        if plain.recv(1) != b"S":
            raise OSError("PostgreSQL has encrypted one connection and refuses to encrypt the next")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said here that is secret
        with context.wrap_socket(plain) as wrapped:
            yield wrapped


def _dialled(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), PATIENCE_SECONDS)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(PATIENCE_SECONDS)
    link.connect(f"{host}/.s.PGSQL.{port}")
    return link


def _authentication(link: socket.socket) -> tuple[int, bytes]:
    """The next message, which must be about authentication: its code, and what comes with it."""
    kind, length = struct.unpack("!ci", _exactly(link, 5))
    body = _exactly(link, length - 4)
    if kind != b"R":
        raise OSError(f"PostgreSQL answers {body!r} instead of asking for a password")
    (code,) = struct.unpack("!i", body[:4])
    return code, body[4:]


def _exactly(link: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = link.recv(size - len(received))
        if not part:
            raise OSError("PostgreSQL has closed the connection instead of asking for a password")
        received += part
    return received


def _prepared(password: str) -> str:
    """RFC 4013's form of a password, or the password as it is where PostgreSQL gives up on it too.

    What may not be in it is looked for before the letters are brought into their normal form, as PostgreSQL does.
    """
    if password.isascii():
        return password
    spaced = (" " if stringprep.in_table_c12(letter) else letter for letter in password)
    kept = "".join(letter for letter in spaced if not stringprep.in_table_b1(letter))
    return password if not kept or _is_prohibited(kept) else unicodedata.normalize("NFKC", kept)


def _is_prohibited(kept: str) -> bool:
    if any(stands_in(letter) for letter in kept for stands_in in _PROHIBITED):
        return True
    right_to_left = [stringprep.in_table_d1(letter) for letter in kept]
    if not any(right_to_left):
        return False
    mixed = any(stringprep.in_table_d2(letter) for letter in kept)
    return mixed or not (right_to_left[0] and right_to_left[-1])
