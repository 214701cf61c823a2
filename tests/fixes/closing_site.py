"""An asgi.py as a project would write it that has its connections closed when the server says that it ends."""

from loadlab.fixes.worker_exit_hook import closing_at_shutdown
from loadlab.settings_override.asgi import application as site

application = closing_at_shutdown(site)
