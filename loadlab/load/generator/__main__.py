"""The generator process: imports Locust once, then forks a fresh child for each load request.

A line of JSON on the control socket is a request. The child answers with a line when the load starts, the parent with
another when the child has ended. The generator ends when the lab closes its end of the socket.
"""

from __future__ import annotations

import argparse
from functools import partial

from loadlab.load.generator.contract import ENDED, READY, LocustfileCheck, parse_request
from loadlab.load.generator.control_socket import OPTION, ControlSocket
from loadlab.load.generator.driving import drive
from loadlab.load.generator.locust_setup import check_locustfile
from loadlab.load.generator.process_group import run_in_child, run_load


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.generator")
    parser.add_argument(OPTION, type=int, required=True)
    lab = ControlSocket.inherited(parser.parse_args().control_socket)
    lab.send(READY)
    while line := lab.receive():
        request = parse_request(line)
        if isinstance(request, LocustfileCheck):
            status = run_in_child(partial(check_locustfile, request))
        else:
            status = run_in_child(partial(run_load, request, drive, lab))
        lab.send(ENDED, status)


if __name__ == "__main__":
    main()
