#!/usr/bin/env bash
# cosmic-ray on functions with `/` and `*` in their signatures, and on dicts that unpack with `**`.
#
# Expected: a mutation tool changes operators. The `/` and `*` of a signature and the `**` of a dict are none.
# Seen: each counts as a division, a multiplication or a power, and gets eleven replacements. None of these mutants is
#   Python: the module does not import, so any test kills them. The `*` that unpacks a list is left alone.
# Who meets it: who reads a mutation score of code with keyword-only or positional-only parameters. It is too good, and
#   the time goes into mutants that test nothing.
# Versions: cosmic-ray 8.7.0 and 8.4.3; CPython 3.11.7.
# Output seen: for each release "mutants of no operator: 44 of 55; of these that compile: 0".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
cat > shapes.py <<'PY'
def area(width, height, /, *, scale):
    return width * height


def merged(first, second):
    return {**first, **second}


def joined(first, second):
    return [*first, *second]
PY
cat > config.toml <<'TOML'
[cosmic-ray]
module-path = "shapes.py"
timeout = 10.0
excluded-modules = []
test-command = "python -c 'import shapes'"
[cosmic-ray.distributor]
name = "local"
TOML
cat > count.py <<'PY'
import ast
import sqlite3

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

source = open("shapes.py").read()
wanted = "operator_name, occurrence, start_pos_row, start_pos_col"
rows = sqlite3.connect("session.sqlite").execute(f"SELECT {wanted} FROM mutation_specs").fetchall()
lines = source.splitlines()
product = (2, lines[1].index("*"))  # the only operator of the module
others = [(name, occurrence) for name, occurrence, row, column in rows if (row, column) != product]
compiled = 0
for name, occurrence in others:
    try:
        mutant = mutate_code(source, get_operator(name)(), occurrence)
        assert mutant and mutant != source
        ast.parse(mutant)
        compiled += 1
    except SyntaxError:
        pass
print(f"mutants of no operator: {len(others)} of {len(rows)}; of these that compile: {compiled}")
PY
for version in 8.7.0 8.4.3; do
  venv/bin/pip install --quiet --disable-pip-version-check "cosmic-ray==$version"
  rm -f session.sqlite
  venv/bin/cosmic-ray init config.toml session.sqlite
  seen=$(venv/bin/python count.py)
  echo "cosmic-ray $version: $seen"
  [ "$seen" = "mutants of no operator: 44 of 55; of these that compile: 0" ]
done
