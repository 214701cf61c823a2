"""All dashboards, from general to specific."""

from __future__ import annotations

from dashboards.source.boards import compare, connections, load, pools, production

BOARDS = (connections.BOARD, load.BOARD, compare.BOARD, pools.BOARD, production.BOARD)
