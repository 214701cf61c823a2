"""What any Locust file can import: users, load shapes, exact latencies, and a page of the site's connections."""
