"""The lab's own site with other views."""

from loadlab.sample_app.settings import *  # noqa: F403  all of it, as a project's settings for one machine would

ROOT_URLCONF = "leaks.urls"
