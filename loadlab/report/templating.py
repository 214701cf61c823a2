"""How every page of HTML is made: all values are escaped, numbers have their one spelling, and none may be missing."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from loadlab.report import numbers


def templates(package: str) -> Environment:
    """The templates of a package, from its folder `templates`."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=numbers.shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
