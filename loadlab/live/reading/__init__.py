"""Run folders, finished or under way, as the live page shows them."""
