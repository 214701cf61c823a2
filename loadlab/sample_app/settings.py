"""Settings of loadlab's sample app; its database comes with the settings override."""

SECRET_KEY = "loadlab serves nothing secret, on loopback only"  # noqa: S105
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "loadlab.sample_app.urls"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["loadlab.sample_app"]
# It gives responses a Content-Length, without which runserver keeps no client connection alive.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
LOADLAB = {"METRICS_OPEN": True}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django.request": {"handlers": ["stderr"], "level": "ERROR"}},
}
