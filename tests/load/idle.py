"""A Locust file whose user has nothing to do."""

from loadlab.load.locust_plugins.user import SiteUser


class Idle(SiteUser):
    pass
