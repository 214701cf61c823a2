"""Findings made readable: one member per format, all saying the same thing in the same words."""

from loadlab.registry import Family
from loadlab.report.base import Report

REPORTS = Family("loadlab.report", Report)

__all__ = ["REPORTS", "Report"]
