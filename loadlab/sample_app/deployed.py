"""Settings of loadlab's sample app in a container; the environment sets what differs between deployments.

The database is named by libpq's own variables, PGHOST and the like. Secrets come from files, so that no listing of
processes or containers shows them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from loadlab.sample_app import ALIASES
from loadlab.sample_app.settings import *  # noqa: F403  the site's own, with what is below over them


def _secret(variable: str) -> str:
    return Path(os.environ[variable]).read_text().strip()


def _max_age(text: str) -> float | None:
    return None if text == "none" else float(text)


ALLOWED_HOSTS = os.environ.get("LOADLAB_SITE_HOSTS", "").split()
DATABASES: dict[str, dict[str, Any]] = {
    alias: {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["PGDATABASE"],
        "PASSWORD": _secret("LOADLAB_DATABASE_PASSWORD_FILE"),
        "CONN_MAX_AGE": _max_age(os.environ["LOADLAB_MAX_AGE"]),
        "DISABLE_SERVER_SIDE_CURSORS": True,  # PgBouncer may be in between, pooling transactions
    }
    for alias in ALIASES
}
INSTALLED_APPS = ["loadlab.instrumentation", "loadlab.sample_app"]
# In place of the open door that the lab leaves on loopback.
LOADLAB = {"METRICS_TOKEN": _secret("LOADLAB_METRICS_TOKEN_FILE")}  # type: ignore[dict-item]
