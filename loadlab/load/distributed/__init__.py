"""Load from several hosts: a master, its workers, and the channel between them."""

import sys

if sys.argv[0] == "-m":  # `python -m loadlab.load.distributed.worker`, of which this is the first to be imported
    from loadlab.system.leaving import leave_on_signals

    leave_on_signals()
