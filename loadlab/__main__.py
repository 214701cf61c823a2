"""The `loadlab` command."""

import atexit
import gc
import sys

from loadlab.system.leaving import leave_on_signals


def main() -> int:
    leave_on_signals()  # before anything else is imported, for that takes a second or more on a busy machine
    from loadlab.system.search_path import own_modules_first  # noqa: PLC0415  see above

    atexit.register(gc.freeze)  # all is freed with the process: nothing to search it for
    gc.disable()
    own_modules_first()
    from loadlab import cli  # noqa: PLC0415

    gc.freeze()  # modules stay: there is nothing to search among them
    gc.enable()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
