"""The options of `loadlab fleet --validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

TRIALS: Final = 60
LANES: Final = 2


def add_validation_arguments(parser: argparse.ArgumentParser) -> None:
    """`--seed`, `--server` and `--out` are the command's own."""
    group = parser.add_argument_group("how right the model is")
    group.add_argument(
        "--validate",
        action="store_true",
        help="predict random small fleets, run them, and compare; --seed is the first one's, --server their mode",
    )
    group.add_argument("--trials", type=int, default=TRIALS, metavar="N", help=f"how many fleets (default: {TRIALS})")
    group.add_argument("--lanes", type=int, default=LANES, metavar="N", help=f"fleets at once (default: {LANES})")
    group.add_argument(
        "--calibration", type=Path, metavar="DIR", help="take what is known of server modes from an earlier validation"
    )
    group.add_argument("--record", type=Path, metavar="FILE", help="show the record of a validation, and run nothing")
    group.add_argument("--markdown", type=Path, metavar="FILE", help="write the page of a validation")
