"""The generator process: carries out load requests with Locust and records every request."""
