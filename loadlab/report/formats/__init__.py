"""FAMILY: one module is one report format. `loadlab run` and `loadlab report` write each that has a file name."""

from loadlab.registry import Family
from loadlab.report.formats.base import Report

REPORTS = Family("loadlab.report.formats", Report)

__all__ = ["REPORTS", "Report"]
