"""The lab's own site with other views."""

from loadlab.target.settings import *  # noqa: F403  all of it, as a project's settings for one machine would

ROOT_URLCONF = "pieces.urls"
