"""How a log writes the time of a request, and how that is read."""

from __future__ import annotations

import json
import re
from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

# The second as the line has it, and its offset from UTC or None. Lines of the same second have the same stamp.
Stamp = tuple[bytes | Any, ...]
Search = Callable[[bytes], "re.Match[bytes] | None"]

MONTHS: Final = {
    name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)
}
EPOCH_DIGITS: Final = 10  # of whole seconds, from 2001 to 2286
# The keys under which servers and log shippers write the time, the most usual first.
TIME_KEYS: Final = (
    "time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "datetime", "date", "StartUTC",
)  # fmt: skip
REQUEST_KEYS: Final = b"request|request_uri|uri|url|path|request_path|http_path|RequestPath"

_WHOLE: Final = (
    rb"(\d\d/[A-Z][a-z][a-z]/\d{4}[: ]\d\d:\d\d:\d\d"  # 28/Nov/2026:23:31:25, a space in runserver's
    rb"|[A-Z][a-z][a-z] [A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d \d{4}"  # Sat Nov 28 23:31:25 2026, uWSGI's
    rb"|\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d"  # 2026-11-28T23:31:25
    rb"|\d{10}(?=\D|\d{3}\D|\d{6}\D|\d{9}\D|$))"  # the epoch in seconds; milli-, micro- or nanoseconds follow
)
_TIME: Final = _WHOLE + rb"(?:\d{3}){0,3}(?:[.,]\d+)? ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
IN_BRACKETS: Final = re.compile(rb"\[" + _TIME + rb"\](?! \[)").search  # "] [" is gunicorn's other log
_PATH_LETTER: Final = rb'[^\s?#"]'
ISO_OFFSET: Final = re.compile(rb"([+-])(\d\d):?(\d\d)?")
BRACKETS_EXPECTED: Final = "a time such as [28/Nov/2026:23:31:25 +0000] (combined, common, or gunicorn's format)"
JSON_EXPECTED: Final = "JSON with a time in ISO 8601 or in seconds since 1970 under"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFormat:
    """Where a line has its time, what is said of one that has none, and what precedes the path of a request."""

    search: Search
    expected: str
    before_path: bytes

    def paths(self, globs: list[str]) -> Search:
        """Finds requests whose path, without the query, matches one of the globs."""
        alternatives = b"|".join(_translated(glob) for glob in globs)
        origin = rb'(?:[a-z]+://[^/\s"]*)?'
        return re.compile(self.before_path + origin + rb"(?:" + alternatives + rb')(?=[\s?#"]|$)').search


BRACKETED: Final = LogFormat(
    search=IN_BRACKETS, expected=BRACKETS_EXPECTED, before_path=rb'(?:"|\] )[A-Z]+ '
)  # uWSGI does not quote


def recognised(line: bytes, time_key: str | None) -> LogFormat | None:
    """The format of a line; None where no time is found."""
    if not line.lstrip().startswith(b"{"):
        return BRACKETED if IN_BRACKETS(line) else None
    keys = [time_key] if time_key else [key for key in TIME_KEYS if key in _top_level(line)]
    return next((made for key in keys if (made := _json(key)).search(line)), None)


def expected(time_key: str | None) -> str:
    """What a line should have had, where no format is known yet."""
    if time_key:
        return f'{JSON_EXPECTED} "{time_key}"'
    return f"{BRACKETS_EXPECTED}, or {JSON_EXPECTED} {', '.join(TIME_KEYS)} or your time_key"


def _top_level(line: bytes) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _json(key: str) -> LogFormat:
    written = re.escape(json.dumps(key).encode())
    search = re.compile(written + rb'\s*:\s*"?\[?' + _TIME + rb'(?=[\]",}\s]|$)').search
    path = rb'"(?:' + REQUEST_KEYS + rb')"\s*:\s*"(?:[A-Z]+ )?'
    return LogFormat(search=search, expected=f'{JSON_EXPECTED} "{key}"', before_path=path)


def _translated(glob: str) -> bytes:
    """A regular expression that never tries a long path again from each of its letters."""
    first, *others = [b"".join(_letter(letter) for letter in part) for part in glob.split("*")]
    if not others:
        return first
    *middle, last = others
    return first + b"".join(b"(?>" + _PATH_LETTER + b"*?" + part + b")" for part in middle) + _PATH_LETTER + b"*" + last


def _letter(letter: str) -> bytes:
    return _PATH_LETTER if letter == "?" else re.escape(letter.encode())


def second_of(stamp: Stamp | None) -> int | None:
    """Seconds since 1970, with UTC where there is no offset; None where there is no such time."""
    if stamp is None:
        return None
    text, offset = stamp
    if len(text) == EPOCH_DIGITS:
        return int(text)
    try:
        return timegm(_local(text).timetuple()) - _seconds_east(offset)
    except ValueError:
        return None


def _local(text: bytes) -> datetime:
    if text[:1].isalpha():
        _, name, day, clock, year = text.split()
    elif text[2:3] == b"/":
        day, name, year, clock = text[:2], text[3:6], text[7:11], text[12:]
    else:
        return datetime.fromisoformat(text.decode().upper())
    hour, minute, second = map(int, clock.split(b":"))
    month = MONTHS.get(name, 0)
    return datetime(int(year), month, int(day), hour, minute, second)  # noqa: DTZ001  the offset is apart


def _seconds_east(offset: bytes | None) -> int:
    found = ISO_OFFSET.fullmatch(offset or b"")
    if not found:
        return 0
    sign = -1 if found[1] == b"-" else 1
    return sign * (int(found[2]) * 3600 + int(found[3] or 0) * 60)
