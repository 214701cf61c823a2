"""loadlab's own Django site: the project that is served where a plan names no other."""

# Two ways to one database, as to a primary and its replica: PostgreSQL's one count of sessions judges both.
ALIASES = ("default", "second")
