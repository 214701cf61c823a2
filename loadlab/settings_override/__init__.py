"""Runs a Django project with its own settings and the lab's on top of them; no file of the project is changed."""
