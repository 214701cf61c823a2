"""What any Django project can install: it counts database connections and serves /metrics."""

import sys

ASKING = (["loadlab_connections"], ["loadlab_metrics"])  # commands that count themselves, and are no site

if getattr(sys, "argv", [])[1:2] in ASKING:  # `manage.py` with one of them, of which this is the first to be imported
    from loadlab.system.leaving import leave_on_interrupt

    leave_on_interrupt()
