"""Sockets whose other end is gone: those of connections that a fault has ended, and those of refused attempts."""

from __future__ import annotations

from every import every

from loadlab.lab.left_behind import of_connections


@every(
    ("sockets", "missing", "failed", "found"),
    [
        (6, 6, 0, 6),
        (9, 6, 3, 6),
        (9, 6, 19, 6),
        (9, 6, 2, 7),  # one more than failed attempts explain: the counts do not reconcile
        (4, 6, 19, 4),  # sessions are gone without a socket: neither do these
        (0, 6, 19, 0),
    ],
)
def test_sockets_of_refused_attempts_are_no_connections(sockets: int, missing: int, failed: int, found: int) -> None:
    assert of_connections(sockets, missing, failed) == found
