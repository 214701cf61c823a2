"""Says why no request of a trial succeeded, in the words of the site and of its server's log."""

from __future__ import annotations

import http.client
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from loadlab.overlay.configuration import FIRST_ERROR
from loadlab.ports import LOOPBACK
from loadlab.runner.tracebacks import own_words
from loadlab.services.database import redacted

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.load.contract import LoadResult
    from loadlab.runner.application import Application
    from loadlab.runner.subject import Subject

ANSWER_SECONDS: Final = 30.0
OWN_SETTINGS: Final = "use settings with it off: a file outside the project, see docs/own-project.md"
SSL_REDIRECT: Final = (
    "SECURE_SSL_REDIRECT is on: the site redirects every request over http to https, which is not served here"
    f" ({OWN_SETTINGS}; or let the Locust file send the header that SECURE_PROXY_SSL_HEADER names)."
)


def nothing_succeeded(result: LoadResult | None) -> bool:
    """Whether the load was driven, and each of its requests failed or had no answer."""
    return result is not None and not result.lost and all(result.failed)


def explanation(application: Application, result: LoadResult, subject: Subject, log: Path) -> str:
    """Why nothing succeeded, as far as it can be seen while the server still runs."""
    count = len(result.failed)
    most = max(result.failures, key=result.failures.__getitem__, default="")
    example = f" ({example})" if (example := result.examples.get(most, "")) else ""
    seen = f"all {count} failed, most with {most}{example}" if most else f"{count} were answered, all with failures"
    seen = seen if count else "none was answered"
    words = first_error(log)
    reasons = [
        *([_redirect(application, subject)] if not most.startswith("HTTP") else []),
        *(["ALLOWED_HOSTS may not have the host that the Locust file asks for."] if most == "HTTP 400" else []),
        *([f"The first error in the server's log:\n{words}"] if words else []),
    ]
    return "\n".join([f"{seen[0].upper()}{seen[1:]}.", *filter(None, reasons)])


def first_error(log: Path) -> str:
    """What the site has said of its first request that failed; nothing if there was none."""
    _, mark, rest = log.read_text(errors="replace").partition(FIRST_ERROR) if log.exists() else ("", "", "")
    return redacted(own_words(rest.partition(FIRST_ERROR)[0])) if mark else ""


def _redirect(application: Application, subject: Subject) -> str:
    """Whether the site sends its visitors to https; a Locust client that follows may get no answer at all."""
    refusals = (OSError, http.client.HTTPException)
    place = ""
    with suppress(*refusals):
        connection = http.client.HTTPConnection(LOOPBACK, application.port, timeout=ANSWER_SECONDS)
        with closing(connection):
            connection.request("GET", "/", headers={"Connection": "close"})
            place = connection.getresponse().headers.get("Location", "")
    if not place.startswith("https:"):
        return ""
    if subject.facts is not None and subject.facts.ssl_redirect:
        return SSL_REDIRECT
    return f"The site redirects to https, which is not served here (GET / leads to {place})."
