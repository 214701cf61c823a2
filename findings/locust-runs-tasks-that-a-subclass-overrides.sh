#!/usr/bin/env bash
# Locust's user classes, and tasks that are inherited.
#
# Expected: what Python does with methods: a task that a subclass overrides is replaced, and a task of a mixin is inherited.
# Seen: the overridden task runs too, beside the one that was to replace it, so half of the load is not what the class says. A task of a
#   mixin that is no User never runs. Neither is said anywhere while the test runs: the statistics look complete.
# Why: the metaclass collects functions: the list of each base that has `tasks`, and then what the class's own body marks with @task.
#   It looks up no names, so an override is one task more, and a plain mixin, which has no `tasks`, has none.
# Who meets it: who derives a variant of a user class to change one step, or shares steps by mixins.
# Versions: Locust 2.47.0, CPython 3.11.7.
# Output seen: "override: base 50 %, derived 50 %; mixin: 0 of its tasks ran".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check locust==2.47.0
cat > locustfile.py <<'PY'
from collections import Counter

from locust import User, constant, events, task

ran = Counter()


class Buying:
    @task
    def buy(self):
        ran["mixin"] += 1


class Shopper(User):
    abstract = True
    wait_time = constant(0)

    @task
    def look(self):
        ran["base"] += 1


class NewShopper(Buying, Shopper):
    @task
    def look(self):
        ran["derived"] += 1


@events.quitting.add_listener
def say(environment, **_):
    share = ran["base"] / (ran["base"] + ran["derived"])
    print(f"override: base {share:.0%}, derived {1 - share:.0%}; mixin: {ran['mixin']} of its tasks ran")
PY
venv/bin/locust --headless --users 1 --run-time 3s --only-summary > out 2> err
seen=$(grep override: out | sed 's/%/ %/g')
echo "$seen"
[[ "$seen" =~ ^"override: base "(4[5-9]|5[0-5])" %, derived "(4[5-9]|5[0-5])" %; mixin: 0 of its tasks ran"$ ]]
