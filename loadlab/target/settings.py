"""Settings of the target, all of them from the lab's configuration."""

import sys

from loadlab.target.configuration import TargetConfiguration

_configuration = TargetConfiguration.from_environment()

if _configuration.driver == "psycopg2":
    # Django takes psycopg 3 whenever it can import it, and no setting says otherwise.
    sys.modules["psycopg"] = None  # type: ignore[assignment]

SECRET_KEY = "loadlab serves nothing secret, on loopback only"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "loadlab.target.urls"
WSGI_APPLICATION = "loadlab.target.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    *(["loadlab.instrumentation"] if _configuration.instrumented else []),
    *_configuration.apps,
    "loadlab.target",
]
MIDDLEWARE = _configuration.middleware
DATABASES = _configuration.databases
TARGET_TOKEN = _configuration.token
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    # runserver logs each request, which no other mode does: that would be measured too.
    "loggers": {"django.server": {"level": "ERROR"}, "django.request": {"handlers": ["stderr"], "level": "ERROR"}},
}
