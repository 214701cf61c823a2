"""Spells counts and lists; makes foreign text safe to show, without passwords or characters that a terminal acts on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# `name = value` as libpq, shells, TOML and the repr of a dict write it; the password of a URL, to its last "@".
_ASSIGNED: Final = re.compile(
    r"""(?P<name>(?:password|passwd|pass|pwd|secret_key|scram_(?:client|server)_key)["']?\s*(?:=|:(?!/))\s*)(?:'[^']*'|"[^"]*"|[^\s,;)\]}]+)""",
    re.IGNORECASE,
)
_IN_URL: Final = re.compile(
    r"(?P<user>(?<!http://)(?<!https://)(?<=://)[^:/@\s]*):\S+(?=@)|(?P<visitor>(?<=://)[^:/@\s]*):[^@/\s]+(?=@)"
)
# C0 but for tab and newline, DEL, C1, and the marks that turn the direction of what follows.
_ACTING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plural(number: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "block"), plural(1234, "block"), plural(3, "strategy"), plural(2, "alias")
    ('1 block', '1,234 blocks', '3 strategies', '2 aliases')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("gy") else f"{noun}{'es' if noun.endswith('s') else 's'}"
    return f"{number:,} {noun if number == 1 else several}"


def listed(words: Sequence[str]) -> str:
    """The words as a sentence has them; at least one.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def redacted(text: str) -> str:
    """The text without any password that a DSN, a URL or an assignment in it may carry.

    A URL's password ends at the last "@" of its word: one with an unescaped "@" must not show its second half. Only an
    http URL's ends before the path, which may itself have an "@".

    >>> redacted("postgresql://me:secret@db/shop password=secret")
    'postgresql://me:***@db/shop password=***'
    >>> redacted("{'PASSWORD': 'secret', 'USER': 'me'} redis://:se@cret@cache")
    "{'PASSWORD': ***, 'USER': 'me'} redis://:***@cache"
    """
    return _IN_URL.sub(
        lambda match: f"{match['user'] or match['visitor'] or ''}:***", _ASSIGNED.sub(r"\g<name>***", text)
    )


def printable(text: str) -> str:
    r"""The text with a replacement character for each that a terminal or a page would act on; newlines and tabs stay.

    >>> printable("red \x1b[31m\tand\n")
    'red �[31m\tand\n'
    """
    return _ACTING.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    r"""The same on a single line, for a name that foreign code has given.

    >>> one_line("shop\n\tnow \x1b[31m")
    'shop now �[31m'
    """
    return " ".join(printable(text).split())


def escaped_in_json(text: str) -> str:
    r"""JSON text with the same characters escaped inside its strings, so that nothing of them is lost.

    >>> escaped_in_json('{"a": "\u202e"}')
    '{"a": "\\u202e"}'
    """
    if text.isascii() and "\x7f" not in text:
        return text  # JSON itself escapes the others
    return _ACTING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
