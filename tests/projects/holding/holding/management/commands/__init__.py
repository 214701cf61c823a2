"""Each of which never returns."""
