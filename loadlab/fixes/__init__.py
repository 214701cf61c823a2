"""Cures for database connections that leak: small Django apps that any project can install, with Django and no more."""
