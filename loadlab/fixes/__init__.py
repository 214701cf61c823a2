"""Fixes for leaking database connections: small Django apps that any project can install. They need Django alone."""
