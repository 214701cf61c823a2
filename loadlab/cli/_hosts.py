"""Asks the hosts of a project for their listings, all at once: none that is slow or silent keeps back the others."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.model.text import listed, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.open_connections import Listing


class AskedHosts:
    """Those that --metrics names, for one listing: a host that gives none is not asked for it again."""

    def __init__(self, urls: Sequence[str], token: str | None) -> None:
        self._urls = _named(urls)
        self._token = token
        self._silent: dict[str, EnvironmentFaultError] = {}

    def read(self) -> Listing:
        """What those that answer have open, together; `silent` are the others, and `notes` say why.

        Raises:
            EnvironmentFaultError: none answers.
        """
        from loadlab.listing.merging import merged
        from loadlab.system.background import together

        names = [name for name in self._urls if name not in self._silent]
        answers = dict(zip(names, together([partial(self._asked, name) for name in names]), strict=True))
        self._silent |= {name: said for name, said in answers.items() if isinstance(said, EnvironmentFaultError)}
        found = {name: said for name, said in answers.items() if not isinstance(said, EnvironmentFaultError)}
        if not found:
            raise EnvironmentFaultError("\n".join(map(str, self._silent.values())))
        return merged(found, {name: str(error) for name, error in self._silent.items()})

    def _asked(self, name: str) -> Listing | EnvironmentFaultError:
        from loadlab.scrape import listing_at

        try:
            return listing_at(self._urls[name], self._token)
        except EnvironmentFaultError as error:
            return error


def require_all(found: Listing) -> None:
    """Make sure that no host is left out.

    Raises:
        EnvironmentFaultError: some are.
    """
    if found.silent:
        count = len(found.silent)
        what = f"{plural(count, 'host')} gave no listing: {listed(found.silent)}."
        raise EnvironmentFaultError(f"{what} {'Its' if count == 1 else 'Their'} connections are not listed.")


def _named(urls: Sequence[str]) -> dict[str, str]:
    """The URLs by the names of their hosts, and by their paths as well where one host has several."""
    from urllib.parse import urlsplit

    parts = {url: urlsplit(url) for url in urls}
    hosts = [one.netloc for one in parts.values()]
    shared = {host for host in hosts if hosts.count(host) > 1}
    return {f"{one.netloc}{one.path if one.netloc in shared else ''}": url for url, one in parts.items()}
