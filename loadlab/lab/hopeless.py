"""Says why no request of a trial succeeded, in the words of the site and of its server's log."""

from __future__ import annotations

import http.client
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from loadlab.lab.tracebacks import own_words
from loadlab.model.text import redacted
from loadlab.settings_override.configuration import FIRST_ERROR
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.schedule import Schedule, Step

ANSWER_SECONDS: Final = 30.0
BAD_REQUEST: Final = 400
OWN_SETTINGS: Final = "use settings with it off: a file outside the project, see docs/how-to/own-project.md"
SSL_REDIRECT: Final = (
    "SECURE_SSL_REDIRECT is on: the site redirects every request over http to https, which is not served here"
    f" ({OWN_SETTINGS}; or let the Locust file send the header that SECURE_PROXY_SSL_HEADER names)."
)


def nothing_succeeded(result: LoadResult | None) -> bool:
    """Whether the load was driven, and each of its requests failed or had no answer."""
    return result is not None and not result.lost and all(result.requests.failed)


def first_of_its_side(step: Step, planned: Schedule) -> bool:
    """Whether no earlier trial of the run is of the same side of it."""
    side = planned.cases[step.case].side
    return all(planned.cases[one.case].side != side for one in planned.steps if one.order < step.order)


def explanation(url: str, result: LoadResult, *, ssl_redirect: bool = False, log: Path | None = None) -> str:
    """Why nothing succeeded, as far as it can be seen while the site at `url` is still served.

    `ssl_redirect`: its settings redirect to https. `log` is its server's, where that is known.
    """
    count = len(result.requests)
    most = max(result.failures, key=result.failures.__getitem__, default="")
    status = result.statuses.get(most, 0)
    words = first_error(log) if log else ""
    reasons = [
        _seen(count, most, result.examples.get(most, "")),
        # A client that follows to https may get no response, or a different error.
        "" if status else _asked(url, ssl_redirect=ssl_redirect, answered=count > 0),
        "ALLOWED_HOSTS may not have the host that the Locust file asks for." if status == BAD_REQUEST else "",
        f"The first error in the server's log:\n{words}" if words else "",
    ]
    return "\n".join(filter(None, reasons))


def _seen(count: int, most: str, example: str) -> str:
    if not count:
        return "None was answered while the load lasted."
    if not most:
        return f"All {count} failed, before the window."
    return f"All {count} failed, most with {most}" + (f" ({example})." if example else ".")


def first_error(log: Path) -> str:
    """What the site has said of its first request that failed; nothing if there was none."""
    _, mark, rest = log.read_text(errors="replace").partition(FIRST_ERROR) if log.exists() else ("", "", "")
    return redacted(own_words(rest.partition(FIRST_ERROR)[0])) if mark else ""


def _asked(url: str, *, ssl_redirect: bool, answered: bool) -> str:
    """What the site says to one visitor, who follows no redirect."""
    began = time.monotonic()
    try:
        status, place = _get(url)
    except (OSError, http.client.HTTPException) as error:
        return f"One more request, GET {url}, came to nothing either: {type(error).__name__} {error}".rstrip() + "."
    seconds = time.monotonic() - began
    if url.startswith("http:") and place.startswith("https:"):
        return SSL_REDIRECT if ssl_redirect else f"The site redirects to https: GET {url} leads to {place}."
    if answered:
        return ""
    return (
        f"One more request, GET {url}, was answered after {seconds:.2g} s (HTTP {status}): if the site is slow, use a"
        " longer warmup_seconds and window_seconds, or fewer users."
    )


def _get(url: str) -> tuple[int, str]:
    """The status of one response, and where it leads to, if anywhere."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or LOOPBACK, parts.port, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.headers.get("Location", "")
