"""Numbers in, numbers out: the statistics, and nothing that knows what the numbers mean."""
