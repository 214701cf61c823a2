"""Writes loadlab/stats/_detectable_table.py: what usual plans detect, from the simulation in loadlab/stats/power.py."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Final

from loadlab.model.plan import Plan
from loadlab.stats.blocks import FEWEST_BLOCKS, blocks_needed
from loadlab.stats.detectable import SUPPOSED, simulated
from loadlab.stats.power import MOST_SIMULATED

TABLE: Final = Path(__file__).resolve().parent.parent / "loadlab" / "stats" / "_detectable_table.py"
MARGIN: Final = Plan(servers={}, strategies={}).equivalence_margin
MOST_COMPARISONS: Final = 60
HEAD: Final = '''\
"""Smallest ratios that are detected; benchmarks/detectable.py writes this file.

By blocks: up to so many comparisons, one ratio for each supposed coefficient of variation.
"""

from __future__ import annotations

from typing import Final

MARGIN: Final = {margin}
MOST_COMPARISONS: Final = {most}
TABLE: Final[dict[int, tuple[tuple[int, tuple[float, float, float]], ...]]] = {{
'''


def row(blocks: int) -> str:
    """The entries of so many blocks, one for all numbers of comparisons that have the same ratios."""
    possible = [n for n in range(1, MOST_COMPARISONS + 1) if blocks >= blocks_needed(n)]

    def ratios(comparisons: int) -> tuple[float | None, ...]:
        return tuple(simulated(share, blocks, comparisons, margin=MARGIN) for share in SUPPOSED)

    entries = [(max(same), found) for found, same in groupby(possible, ratios)]
    return "".join(f"        ({most}, {found}),\n" for most, found in entries)


def main() -> None:
    rows = [f"    {blocks}: (\n{row(blocks)}    ),\n" for blocks in range(FEWEST_BLOCKS, MOST_SIMULATED + 1)]
    TABLE.write_text(HEAD.format(margin=MARGIN, most=MOST_COMPARISONS) + "".join(rows) + "}\n")


if __name__ == "__main__":
    main()
