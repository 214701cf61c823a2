"""gunicorn's configuration as a project would write it that takes both hooks of the fixes."""

from loadlab.fixes.close_at_handler_end import post_request
from loadlab.fixes.worker_exit_hook import worker_exit

__all__ = ["post_request", "worker_exit"]
