"""What any Django project can install: it counts database connections and serves /metrics."""
