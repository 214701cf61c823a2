"""The generator's side: Locust, and a recorder that keeps every request."""
