"""A Locust file that writes to standard output in every way it can, and reads standard input."""

import ctypes
import logging
import os
import subprocess
import sys
from typing import Any

from locust import constant, events, task

from loadlab.load.http.lean_user import LeanHttpUser

LINES = 200  # more than a buffer holds back

print("printed while loading", flush=True)
print("ended 0\nstarted 1 0.0\n" * LINES)
os.write(1, b"written to descriptor 1\n")
ctypes.CDLL(None).puts(b"put by C")
ctypes.CDLL(None).fflush(None)
subprocess.run(["/bin/echo", "echoed by a child"], check=True)
logging.getLogger("prints").addHandler(logging.StreamHandler(sys.stdout))
assert not sys.stdin.read()
assert not os.read(0, 1)

if not (forked := os.fork()):
    print("printed by a fork", flush=True)
    os._exit(0)
os.waitpid(forked, 0)


@events.test_start.add_listener
def begin(**_: Any) -> None:
    print("printed by a listener")
    logging.getLogger("prints").warning("logged to standard output")


class Visitor(LeanHttpUser):
    wait_time = constant(0.05)

    def on_start(self) -> None:
        print("printed by on_start", flush=True)

    @task
    def ask(self) -> None:
        response = self.client.get("/")
        print("status", response.status_code)
        os.write(1, b"no\nended 1\n")
        subprocess.run(["/bin/cat"], check=True)
