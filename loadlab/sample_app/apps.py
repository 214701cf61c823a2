"""The site's own Django app."""

from django.apps import AppConfig


class SampleAppConfig(AppConfig):
    name = "loadlab.sample_app"
    label = "target"  # as first released: its tables are named after it
