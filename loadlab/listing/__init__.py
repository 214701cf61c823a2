"""What is made of a listing of open connections: JSON, a table, and what the database says of each.

Projects import it: it needs the standard library, `loadlab.model` and `loadlab.leak_causes` only.
"""
