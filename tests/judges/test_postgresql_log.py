"""PostgreSQL's log counts the sessions of one database, over restarts and crashes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from every import every

from loadlab.judges._postgresql_log import SessionLog

if TYPE_CHECKING:
    from pathlib import Path

LINE = "2026-11-29 00:29:57.427 UTC [{pid}] LOG:  {said}\n"
AUTHORIZED = "connection authorized: user=loadlab database={database} application_name=x"
READY = "connection ready: setup total=12.3 ms, fork=0.4 ms, authentication=7.0 ms"


def let_in(pid: int, database: str = "shop") -> str:
    return LINE.format(pid=pid, said=AUTHORIZED.format(database=database))


def ready(pid: int) -> str:
    return LINE.format(pid=pid, said=READY)


def counted(path: Path, text: str, *, version: int = 18_00_06) -> int:
    log = path / "postgresql.log"
    log.write_text(let_in(1) + ready(1))
    cursor: Any = SimpleNamespace(connection=SimpleNamespace(server_version=version))
    judge = SessionLog(cursor, "shop", log)
    mark = judge.mark()
    with log.open("a") as file:
        file.write(text)
    return judge.opened_since(mark)


@every(
    ("text", "sessions"),
    [
        ("", 0),
        (let_in(2) + ready(2) + let_in(3) + ready(3), 2),
        (let_in(2) + let_in(3) + ready(3) + ready(2), 2),
        (let_in(2), 0),  # the server ended before it was ready
        (let_in(2) + let_in(3) + ready(3), 1),
        (let_in(2, "postgres") + ready(2) + let_in(3, "shop_2") + ready(3), 0),
        (let_in(2) + ready(2) + let_in(2) + ready(2), 2),  # another process of the same pid, after a restart
        (let_in(2) + ready(2) + let_in(2, "postgres") + ready(2), 1),
    ],
)
def test_a_session_is_one_that_was_let_in_and_ready(tmp_path: Path, text: str, sessions: int) -> None:
    assert counted(tmp_path, text) == sessions


def test_a_server_that_does_not_say_when_it_is_ready_is_believed_earlier(tmp_path: Path) -> None:
    assert counted(tmp_path, let_in(2) + let_in(3), version=17_00_05) == 2
