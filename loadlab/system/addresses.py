"""Takes HTTP addresses apart; nothing is fetched."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

NOT_IN_URLS: Final = re.compile(r"[\s\x00-\x1f\x7f]")


def split_address(url: str) -> SplitResult:
    """The parts of an http or https URL; empty ones where it is none."""
    with suppress(ValueError):  # brackets or a port that no URL has
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and (parts.hostname, parts.port) and not NOT_IN_URLS.search(url):
            return parts
    return urlsplit("")
