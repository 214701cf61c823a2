"""Findings made readable: all formats say the same in the same words, and `numbers` alone spells a number."""

from loadlab.report.formats import REPORTS, Report

__all__ = ["REPORTS", "Report"]
