"""Observes a project that is running elsewhere, without driving it."""
