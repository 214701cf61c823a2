"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path


def expanded(said: str) -> Path:
    """With the home of a user in place of "~"; as it is where there is no such user, so that it is told as missing.

    >>> str(expanded("~no-such-user/site")), str(expanded("a/b"))
    ('~no-such-user/site', 'a/b')
    """
    path = Path(said.replace("\0", "\N{REPLACEMENT CHARACTER}"))  # which no path can have
    try:
        return path.expanduser()
    except RuntimeError:
        return path
