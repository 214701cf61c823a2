#!/usr/bin/env bash
# multiprocessing, start method "spawn": which signals the first process and the second one have blocked.
#
# Expected: a process has the signal mask of the thread that starts it. Where SIGINT is blocked while processes start,
#   Ctrl-C reaches none of them, and the parent alone ends them.
# Seen: the first one has SIGINT unblocked, and the second one blocked. The first start() also starts the resource tracker
#   (multiprocessing/resource_tracker.py, ensure_running). It blocks SIGINT and SIGTERM for that, and afterwards unblocks
#   both, instead of setting the mask that was there before.
# Who meets it: who blocks SIGINT around start(), so that Ctrl-C gives no traceback of a worker. It helps to call
#   multiprocessing.resource_tracker.ensure_running() first.
# Versions: CPython 3.11.7, 3.12.1 and 3.13.0.
# Output seen: "SIGINT is blocked in the first process: False, in the second: True"
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/masks.py" <<'PY'
import inspect
import multiprocessing
import signal
import sys
from multiprocessing import resource_tracker


def mask(sender):
    sender.send(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def blocked(context):
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=mask, args=(sender,))
    process.start()
    found = receiver.recv()
    process.join()
    return found


if __name__ == "__main__":
    spawning = multiprocessing.get_context("spawn")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    first = blocked(spawning)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    second = blocked(spawning)
    print(f"SIGINT is blocked in the first process: {first}, in the second: {second}")
    unblocks = "SIG_UNBLOCK" in inspect.getsource(resource_tracker)
    sys.exit((first, second) != (not unblocks, True))
PY
python3 "$folder/masks.py"
