"""The Django site under test: small, but a real one."""

# Two ways to one database, as to a primary and its replica: PostgreSQL's one count of sessions judges both.
ALIASES = ("default", "second")
