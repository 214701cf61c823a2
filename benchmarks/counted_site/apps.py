"""On SIGUSR2, callgrind writes down what it has counted until then, and goes on from 0.

Callgrind is told to do so before each call of getloadavg, which nothing else in a server calls.
"""

import os
import signal
from typing import Final

from django.apps import AppConfig

FUNCTION: Final = "getloadavg"  # of the C library
SIGNAL: Final = signal.SIGUSR2


class CountedSiteConfig(AppConfig):
    name = "counted_site"

    def ready(self) -> None:
        signal.signal(SIGNAL, lambda *_: os.getloadavg())
