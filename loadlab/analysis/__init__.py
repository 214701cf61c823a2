"""Samples in, findings out: pure functions, no clock, no files, no chance that is not seeded."""

from loadlab.analysis.assessment import findings_of
from loadlab.analysis.contrasts import contrast
from loadlab.analysis.findings import analyse

__all__ = ["analyse", "contrast", "findings_of"]
