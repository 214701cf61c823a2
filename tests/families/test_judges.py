"""Each judge is one file, and no other module asks a database or a pooler how many connections there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import loadlab
from loadlab.judges import JUDGES
from loadlab.judges.pgbouncer import PgBouncer
from loadlab.judges.postgresql import PostgreSQL

COUNTING: Final = re.compile(
    r"FROM\s+pg_stat_(activity|database)\b|SHOW (POOLS|STATS|CLIENTS|SERVERS|CONFIG)\b|'(\w*reserved|max)_connections'"
)
PACKAGE: Final = Path(loadlab.__file__).parent
# They run in users' processes, which have nothing of the lab.
IN_USERS_PROCESSES: Final = {"instrumentation/checks.py", "listing/sessions.py"}


def test_each_judge_is_the_one_member_of_its_file() -> None:
    assert {name: JUDGES[name] for name in JUDGES} == {"pgbouncer": PgBouncer, "postgresql": PostgreSQL}


def test_only_judges_hold_queries_that_count_connections() -> None:
    holding = {
        path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if COUNTING.search(path.read_text())
    }
    assert {path for path in holding if not path.startswith("judges/")} == IN_USERS_PROCESSES
    assert {"judges/postgresql.py", "judges/_pgbouncer_console.py"} <= holding
