"""FAMILY of workers: what runs background tasks."""

from loadlab.registry import Family
from loadlab.workers.base import Fix, Queue, Worker

WORKERS = Family("loadlab.workers", Worker, "worker")

__all__ = ["WORKERS", "Fix", "Queue", "Worker"]
