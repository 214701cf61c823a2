"""FAMILY of workers: what runs background tasks."""

from loadlab.registry import Family
from loadlab.workers.base import Cure, Queue, Worker

WORKERS = Family("loadlab.workers", Worker)

__all__ = ["WORKERS", "Cure", "Queue", "Worker"]
