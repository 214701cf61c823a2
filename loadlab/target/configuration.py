"""How the lab tells a target process what to be: one JSON text in the environment, readable by both sides."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field

VARIABLE = "LOADLAB_TARGET"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetConfiguration:
    """`databases` is Django's DATABASES setting; no password is in it (libpq reads its own password file)."""

    databases: dict[str, dict[str, object]]
    driver: str = "psycopg2"
    instrumented: bool = True
    token: str = ""  # /health/ repeats it, so that the lab knows its own process from a stranger on the port
    middleware: list[str] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> TargetConfiguration:
        """Without the variable: a configuration with which the site can be imported, but has no database."""
        text = os.environ.get(VARIABLE)
        return cls(**json.loads(text)) if text else cls(databases={})
