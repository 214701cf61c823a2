"""Of a project with two aliases; the environment says where they lead, and what it does as it starts."""

import gc
import json
import os

SECRET_KEY = "of a test, on loopback"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "holding.urls"
USE_TZ = True
INSTALLED_APPS = ["loadlab.instrumentation", *os.environ.get("HOLDING_FIXES", "").split(), "holding"]
DATABASES = {alias: json.loads(os.environ["HOLDING_DATABASE"]) for alias in ("default", "reports")}
if "HOLDING_KEEPS_GARBAGE" in os.environ:
    gc.disable()  # so that it is collected when a test says so
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["stderr"], "level": "ERROR"}},
}
QUERIES_AT_START = "HOLDING_QUERIES_AT_START" in os.environ
