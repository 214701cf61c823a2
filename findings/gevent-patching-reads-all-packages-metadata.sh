#!/usr/bin/env bash
# The cost of gevent.monkey.patch_all() in an environment with many packages.
#
# Expected: patching takes the same time wherever gevent is installed; plugins are looked up once.
# Seen: one call of patch_all() reads the entry points of all installed packages 25 times, once for each event of its
#   patching. So each package that is installed, used or not, makes each boot of a gevent worker longer.
# Why: gevent.events.notify_and_call_entry_points looks up the plugins of each event by importlib.metadata, and keeps
#   nothing.
# Who meets it: sites with hundreds of packages under gunicorn's gevent worker, which patches in each worker.
# Versions: gevent 24.11.1 and 26.9.0; CPython 3.11.7.
# Output seen: for each gevent "25 look-ups of plugins; 50 packages that nobody uses were read 1250 times".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
cat > patch.py <<'PY'
import importlib.metadata as metadata
import pathlib
import sys

site = pathlib.Path(sys.argv[1])
for number in range(50):
    package = site / f"spare{number}-1.0.dist-info"
    package.mkdir(exist_ok=True)
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: spare{number}\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[spare]\nspare{number} = spare:nothing\n")

lookups, reads = 0, 0
entry_points, read_text = metadata.entry_points, metadata.PathDistribution.read_text


def counted(**params):
    global lookups
    lookups += 1
    return entry_points(**params)


def counting(self, name):
    global reads
    reads += name == "entry_points.txt" and "spare" in str(self._path)
    return read_text(self, name)


metadata.entry_points = counted
metadata.PathDistribution.read_text = counting
from gevent import monkey

monkey.patch_all()
print(lookups, reads)
PY
for version in 24.11.1 26.9.0; do
  venv/bin/pip install --quiet --disable-pip-version-check "gevent==$version"
  site=$(venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  read -r lookups reads < <(venv/bin/python patch.py "$site")
  echo "gevent $version: $lookups look-ups of plugins; 50 packages that nobody uses were read $reads times"
  [ "$lookups" -eq 25 ]
  [ "$reads" -eq $((lookups * 50)) ]
done
