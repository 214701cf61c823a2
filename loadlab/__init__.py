"""loadlab: measures how Django's database connections live under each way of serving Python."""

from loadlab.moved import install

__version__ = "0.1.0"

install()
