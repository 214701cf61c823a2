"""How a Django project runs under test: its own settings with the lab's over them, and not a file of it changed."""
