"""The lean HTTP client: a Locust user with less CPU per request than Locust's own."""
