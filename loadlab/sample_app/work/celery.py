"""The site's task, and its app, for Celery."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from celery import Celery
from django.conf import settings

from loadlab.sample_app.work import fix, perform

# Of messages in files: a process that reads a file while another writes it would end, so no two share one.
FOLDERS: Final[dict[str, str]] = settings.CELERY_BROKER_TRANSPORT_OPTIONS  # type: ignore[misc]

app = Celery("loadlab")
app.config_from_object("django.conf:settings", namespace="CELERY")
fix()
task = app.task(perform, name="perform")
if "control_folder" in FOLDERS:
    own = f"{FOLDERS['control_folder']}-{os.getpid()}"
    app.conf.broker_transport_options = {**FOLDERS, "control_folder": own}
    for name in ("data_folder_in", "data_folder_out"):
        Path(FOLDERS[name]).mkdir(exist_ok=True)


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    task.delay(number, size, query)
    if "data_folder_out" in FOLDERS:
        for message in Path(FOLDERS["data_folder_out"]).iterdir():
            message.rename(Path(FOLDERS["data_folder_in"]) / message.name)
