"""Does what a plan says: starts, drives, watches, stops, and keeps what was seen."""
