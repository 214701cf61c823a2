"""What a run needs to have running: PostgreSQL, embedded or the user's own."""
