#!/usr/bin/env bash
# Locust's --processes, and a Locust file with `fake = Faker()` at the top, as Faker's documentation begins.
#
# Expected: four processes make four times as many different users, as four workers do that are started one by one.
# Seen: each process makes the same users, in the same order. Sign-ups fail as duplicates, and where they succeed, each row, cache entry and
#   lock is asked for by four users at the same time. random.random() differs in each process, so a look at the wait times shows nothing.
# Why: Locust loads the Locust file and forks afterwards. Python seeds the generator of the module `random` again in a forked process, and no
#   other: Faker's is a random.Random() of its own. So is any other that the file makes, and numpy's.
# Who meets it: load tests with made-up data, once one process is too slow and --processes is added.
# Versions: Locust 2.47.0, Faker 40.63.0, CPython 3.11.7.
# Output seen: "of 12 values in 4 processes differ: Faker's addresses 3, random.random() 12; in 4 workers started one by one: 12, 12".
set -euo pipefail
work=$(mktemp -d)
locust=
trap '[ -z "$locust" ] || kill $locust 2> /dev/null || true; wait 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check locust==2.47.0 faker==40.63.0
cat > locustfile.py <<'PY'
import os
import random

from faker import Faker
from locust import User, constant, events, task
from locust.runners import WorkerRunner

fake = Faker()


@events.test_start.add_listener
def make_three(environment, **_):
    if isinstance(environment.runner, WorkerRunner):
        with open(f"made-{os.getpid()}", "w") as made:
            for _ in range(3):
                print(fake.email(), random.random(), file=made)


class Visitor(User):
    wait_time = constant(1)

    @task
    def visit(self):
        pass
PY
different() {
  [ "$(ls made-* | wc -l)" = 4 ]
  addresses=$(cut -d ' ' -f 1 made-* | sort -u | wc -l)
  numbers=$(cut -d ' ' -f 2 made-* | sort -u | wc -l)
  rm made-*
}
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
bind=$(port)
venv/bin/locust --headless --users 4 --run-time 5 --processes 4 --master-bind-port "$bind" --master-port "$bind" > log 2>&1
different
forked="Faker's addresses $addresses, random.random() $numbers"
bind=$(port)
for _ in 1 2 3 4; do
  venv/bin/locust --worker --master-port "$bind" > /dev/null 2>&1 &
  locust="$locust $!"
done
venv/bin/locust --headless --users 4 --run-time 5 --master --expect-workers 4 --master-bind-port "$bind" > log 2>&1
wait
locust=
different
echo "of 12 values in 4 processes differ: $forked; in 4 workers started one by one: $addresses, $numbers"
[ "$forked; $addresses, $numbers" = "Faker's addresses 3, random.random() 12; 12, 12" ]
