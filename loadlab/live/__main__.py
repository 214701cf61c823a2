"""The live page's process: `python -m loadlab.live RUNS_FOLDER --port P`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from loadlab.live.reading.runs import Runs
from loadlab.live.server import serve
from loadlab.system.ports import LOOPBACK


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadlab.live", description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--awaiting", default="", metavar="RUN")
    parser.add_argument("--token", metavar="env:NAME")
    given = parser.parse_args()
    token = os.environ[given.token.removeprefix("env:")] if given.token else None
    serve(Runs(folder=given.runs.resolve(), awaited=given.awaiting), host=given.host, port=given.port, token=token)


if __name__ == "__main__":
    main()
