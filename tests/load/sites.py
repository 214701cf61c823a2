"""The plain site as tests hold it: a separate process, ended with the test."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.load.generator.contract import LoadRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = Path(__file__).with_name("plain_site.py")


class PlainSite:
    """`pid` may be sent signals; `url` is its root."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.url = f"http://127.0.0.1:{port}"

    def served(self) -> int:
        """How many requests it has had, this one left out."""
        with urllib.request.urlopen(f"{self.url}/served") as answer:  # noqa: S310  our own
            return int(answer.read()) - 1


@contextmanager
def plain_site() -> Iterator[PlainSite]:
    program = subprocess.Popen([sys.executable, str(PROGRAM)], stdout=subprocess.PIPE)
    assert program.stdout is not None
    try:
        yield PlainSite(program.pid, int(program.stdout.readline()))
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def usual_request(site: PlainSite, folder: Path, **fields: Any) -> LoadRequest:
    """Eight users ask `site` for a second, and the result goes into `folder`; `fields` replace any of that."""
    usual: dict[str, Any] = {
        "locustfile": str(Path(__file__).with_name("asks_once.py")),
        "host": site.url,
        "users": 8,
        "keep_alive": True,
        "warmup_seconds": 0.2,
        "window_seconds": 1.0,
        "result": str(folder / "result"),
        "seed": 7,
    }
    return LoadRequest(**{**usual, **fields})
