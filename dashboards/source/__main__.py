"""`python -m dashboards.source`: writes every dashboard's JSON beside this folder."""

from __future__ import annotations

from pathlib import Path

from dashboards.source.boards import BOARDS
from dashboards.source.grafana import to_json

FOLDER = Path(__file__).parents[1]


def main() -> None:
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(to_json(board), encoding="utf-8")


if __name__ == "__main__":
    main()
