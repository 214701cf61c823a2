"""A Locust file whose user has nothing to do."""

from loadlab.load.user import SiteUser


class Idle(SiteUser):
    pass
