"""Print the path of a scenario, a plan or the dashboards that come with loadlab.

Without NAME, it lists every name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.model.spelling import did_you_mean
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


EXAMPLES: Final = (
    ('locust -f "$(loadlab path read_one)" --host http://127.0.0.1:8000', "use a scenario with Locust directly"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a scenario, a plan, or dashboards")


def execute(arguments: argparse.Namespace) -> int:
    known = _known()
    name = arguments.name
    if name is None:
        print("\n".join(known))
    elif name in known:
        print(known[name])
    else:
        guess = did_you_mean(name, known).capitalize()
        raise UsageError(
            " ".join([f"There is no {name!r}.", *([guess] if guess else []), f"Use one of {', '.join(known)}."])
        )
    return 0


def _known() -> dict[str, Path]:
    scenarios, plans = packaged("locustfiles").glob("*.py"), packaged("plans").glob("*.toml")
    return {path.stem: path for path in [*sorted(scenarios), *sorted(plans)]} | {"dashboards": packaged("dashboards")}
