"""`python -m loadlab` is the `loadlab` command."""

import sys

from loadlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
