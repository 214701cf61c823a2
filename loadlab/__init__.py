"""loadlab: measures how Django's database connections live under each way of serving Python."""

__version__ = "0.1.0"
