"""The `loadlab` command, which the light install has too: it says there what to install."""

import sys

from loadlab.search_path import own_modules_first


def main() -> int:
    own_modules_first()
    try:
        from loadlab import cli  # noqa: PLC0415  it may not be there whole
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("loadlab"):
            raise
        sys.stderr.write(
            f"loadlab: {error.name} is not installed. The instrumentation works without it; the lab, which measures and"
            " reports, takes: pip install 'loadlab[lab]'\n"
        )
        return 3
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
