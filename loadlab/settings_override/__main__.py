"""The project's manage.py with the overridden settings: `python -m loadlab.settings_override migrate`."""

import os
import sys

from django.core.management import execute_from_command_line
from django.core.servers.basehttp import WSGIRequestHandler

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.settings_override.settings")
    # Nagle's algorithm and delayed acknowledgements would add 40 ms to each request on a kept client connection.
    WSGIRequestHandler.disable_nagle_algorithm = os.environ.get("LOADLAB_NAGLE") != "on"
    execute_from_command_line(sys.argv)
