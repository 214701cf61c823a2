"""What the dashboards' queries answer: a recorded run, a real Prometheus over it, and the run's own exact record."""
