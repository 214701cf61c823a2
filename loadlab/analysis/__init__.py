"""Samples in, findings out: pure functions, no clock, no files, no chance that is not seeded."""

from loadlab.analysis.contrasts import contrast
from loadlab.analysis.findings import analyse, findings_of

__all__ = ["analyse", "contrast", "findings_of"]
