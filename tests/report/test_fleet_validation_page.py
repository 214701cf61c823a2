"""The page of the fleet model's validation is that of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadlab.fleet.validation.record import read_validation
from loadlab.report.fleet_validation import PAGE, RECORDED, fleet_validation_page

ROOT: Final = Path(__file__).resolve().parents[2]


def test_the_page_of_the_validation_is_that_of_its_record() -> None:
    validation = read_validation((ROOT / RECORDED).read_text(), RECORDED)
    assert (ROOT / PAGE).read_text() == fleet_validation_page(validation)
