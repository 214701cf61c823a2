"""Grafana's dashboards as code: each module of `boards` is one dashboard, `python -m dashboards.source` writes all."""
