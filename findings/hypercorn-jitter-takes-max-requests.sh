#!/usr/bin/env bash
# hypercorn's command line with `--max-requests-jitter`.
#
# Expected: its help says that the limit of each worker is "randomized by randint(0, max_requests_jitter)", so
#   `--max-requests 1000 --max-requests-jitter 50` replaces a worker after 1000 to 1050 requests.
# Seen: the number that is given is not used. The jitter becomes the value of --max-requests, so a worker is replaced after
#   1000 to 2000 requests. In a configuration file, max_requests_jitter is right.
# Who meets it: who recycles workers to bound a leak, of memory or of connections, and counts on the limit.
# Versions: Hypercorn 0.18.0; CPython 3.11.7.
# Output seen: "command line: 1000 1000; file: 1000 50".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check hypercorn==0.18.0
cat > read.py <<'PY'
import sys

import hypercorn.__main__ as command

command.run = lambda config: print(config.max_requests, config.max_requests_jitter)
command.main(sys.argv[1:])
PY
printf 'max_requests = 1000\nmax_requests_jitter = 50\n' > hypercorn.toml
line=$(venv/bin/python read.py --max-requests 1000 --max-requests-jitter 50 app:application)
file=$(venv/bin/python read.py --config hypercorn.toml app:application)
echo "command line: $line; file: $file"
[ "$line" = "1000 1000" ]
[ "$file" = "1000 50" ]
