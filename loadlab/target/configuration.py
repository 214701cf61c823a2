"""How the lab tells a target process what to be: one JSON text in the environment, readable by both sides."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "LOADLAB_TARGET"
# CommonMiddleware gives responses a Content-Length, without which runserver keeps no client connection alive.
MIDDLEWARE = ("django.middleware.common.CommonMiddleware",)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetConfiguration:
    """`databases` is Django's DATABASES setting; no password is in it (libpq reads its own password file)."""

    databases: dict[str, dict[str, object]]
    driver: str = "psycopg2"
    instrumented: bool = True
    token: str = ""  # /health/ repeats it, so that the lab knows its own process from a stranger on the port
    middleware: Sequence[str] = MIDDLEWARE
    apps: Sequence[str] = ()  # besides the site's own

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> TargetConfiguration:
        """Without the variable: a configuration with which the site can be imported, but has no database."""
        text = os.environ.get(VARIABLE)
        return cls(**json.loads(text)) if text else cls(databases={})
