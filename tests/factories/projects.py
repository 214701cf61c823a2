"""Makes small Django projects of the kinds that loadlab's authors never tried, each in a folder of its test."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NONE: Final[Mapping[str, str]] = MappingProxyType({})

SETTINGS: Final = """
SECRET_KEY = "a site of no secrets"
ROOT_URLCONF = "site_urls"
INSTALLED_APPS = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
URLS: Final = """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("hello"))]
"""
LOCUSTFILE: Final = """
from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def home(self):
        self.client.get("/")
"""
PLAN: Final = """
blocks = 1
warmup_seconds = 0.2
window_seconds = 0.6
users = [2]
[project]
settings = "site_settings"
folder = "{folder}"
{project}
[servers.sync]
workers = 1
[strategies.max_age]
max_age = [0]
"""


def made(
    folder: Path, *, settings: str = "", urls: str = URLS, project: str = "", files: Mapping[str, str] = NONE
) -> Path:
    """A project in `folder`/site, with more `files` in it, and a plan over it, as `loadlab run` is given one."""
    site = folder / "site"
    for name, text in {"site_settings.py": SETTINGS + settings, "site_urls.py": urls, **files}.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    locustfile = folder / "visitor.py"
    locustfile.write_text(LOCUSTFILE)
    plan = folder / "plan.toml"
    plan.write_text(f"scenarios = [{json.dumps(str(locustfile))}]\n" + PLAN.format(folder=site, project=project))
    return plan
