"""The site's own Django app."""

from django.apps import AppConfig


class TargetConfig(AppConfig):
    name = "loadlab.sample_app"
    label = "target"
