#!/usr/bin/env bash
# Idle threads of concurrent.futures.ThreadPoolExecutor, as gunicorn's gthread worker and asyncio's executor have them.
#
# Expected: idle threads wait in a queue, so tasks that come one at a time go round all of them; or the last one that was
#   busy takes the next, and always the same one serves.
# Seen: before Python 3.13, some of the threads take turns and the others rest, for seconds or until two tasks meet: then
#   others take turns. queue.SimpleQueue has one lock for all who wait (Modules/_queuemodule.c). One of them holds it and
#   waits for it once more; each get() that ends also wakes the next waiter, which finds nothing and waits again, behind
#   all others. From Python 3.13 on, waiters are served in their order, and all threads take turns.
# Who meets it: who reckons how often a thread's database connection is reused, or expects resting threads to be spread
#   evenly. Of gthread's 4 threads, 2 may serve all requests of a quiet site for a while.
# Versions: CPython 3.11.7 and 3.12.1 (seen), 3.13.0 (goes round).
# Output seen: "4 threads were idle, 2 of them took 12 tasks in a row" with 3.11.7; with 3.13.0 "4 of them".
set -euo pipefail
python3 - <<'PY'
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

THREADS, TASKS, ROW = 4, 400, 12
pool = ThreadPoolExecutor(THREADS)
barrier = threading.Barrier(THREADS)
list(pool.map(lambda _: barrier.wait(), range(THREADS)))  # all of them have started
served = []
for _ in range(TASKS):
    time.sleep(0.005)  # all of them are idle
    pool.submit(lambda: served.append(threading.get_ident()))
pool.shutdown()
fewest = min(len(set(served[start : start + ROW])) for start in range(len(served) - ROW + 1))
print(f"{THREADS} threads were idle, {fewest} of them took {ROW} tasks in a row")
as_seen = fewest == THREADS if sys.version_info >= (3, 13) else fewest < THREADS
sys.exit(not as_seen)
PY
