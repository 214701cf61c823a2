"""The generator process: it carries out load orders with Locust, and records every request."""
