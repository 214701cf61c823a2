"""Those of the sample app, with fewer URLs."""

from loadlab.sample_app import settings as _of_the_app
from loadlab.sample_app.settings import *  # noqa: F403

ROOT_URLCONF = "counted_site.urls"
INSTALLED_APPS = [*_of_the_app.INSTALLED_APPS, "counted_site.apps.CountedSiteConfig"]
