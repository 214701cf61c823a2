"""An app that queries the database while the site is being loaded, as apps should not."""

from django.apps import AppConfig
from django.db import connection


class Eager(AppConfig):
    name = "loadlab.sample_app.eager"
    label = "eager"

    def ready(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
