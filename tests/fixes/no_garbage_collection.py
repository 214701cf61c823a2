"""A Django app that leaves cyclic garbage where it is, so that nothing closes connections but who means to."""

import gc

from django.apps import AppConfig


class NoGarbageCollection(AppConfig):
    name = "no_garbage_collection"

    def ready(self) -> None:
        gc.disable()
