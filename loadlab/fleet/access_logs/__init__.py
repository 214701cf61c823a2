"""Reads when requests came from a web server's log, a block at a time; nothing else of a line is kept."""
