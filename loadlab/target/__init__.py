"""The Django site under test: small, but a real one."""
