"""What a management command that failed has said is cut to what a user can act on."""

from __future__ import annotations

from loadlab.lab.tables import LAST_LINES, why

CHECKS = "System check identified some issues:\n\nERRORS:\na.E1: no table\n\nWARNINGS:\n"


def test_of_system_checks_the_errors_are_shown_and_not_the_last_warnings() -> None:
    said = f"starting\nSystemCheckError: {CHECKS}" + "a.W1: old\n" * 50
    words = why(said).splitlines()
    assert words[0] == "SystemCheckError: System check identified some issues:"
    assert "a.E1: no table" in words
    assert len(words) == LAST_LINES


def test_of_other_words_the_last_are_shown() -> None:
    assert why("\n".join(map(str, range(50)))).splitlines() == [str(number) for number in range(50 - LAST_LINES, 50)]
