"""What every page of a report is made of: its own scripts and style in one file, and nothing from elsewhere."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LIBRARY, NUMBERS, SCRIPT, TABLES = SCRIPTS = ("echarts.min.js", "numbers.js", "report.js", "tables.js")
STYLE = "report.css"
# The characters with which text could leave a <script> block, or end a line of JavaScript.
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def parts(series: DataclassInstance) -> dict[str, object]:
    """What a template needs to be such a page, with the series of its charts."""
    return {
        "policy": content_security_policy(),
        "style": Markup(_asset(STYLE)),  # noqa: S704  a file of this package
        "library": Markup(_asset(LIBRARY)),  # noqa: S704
        "numbers_script": Markup(_asset(NUMBERS)),  # noqa: S704
        "script": Markup(_asset(SCRIPT)),  # noqa: S704
        "tables_script": Markup(_asset(TABLES)),  # noqa: S704
        "chart_data": Markup(embedded_json(series)),  # noqa: S704  escaped for its place
        "charts": series,
    }


def content_security_policy() -> str:
    """Allows the inline scripts and the style by their hashes, and no connection anywhere."""
    scripts = " ".join(_hash(name) for name in SCRIPTS)
    return (
        f"default-src 'none'; script-src {scripts}; style-src {_hash(STYLE)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def embedded_json(series: DataclassInstance) -> str:
    """The charts' series as JSON that is safe inside a <script> element."""
    return json.dumps(asdict(series), separators=(",", ":"), allow_nan=False).translate(_UNSAFE)


@cache
def _asset(name: str) -> str:
    return (resources.files("loadlab.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _hash(name: str) -> str:
    digest = hashlib.sha256(_asset(name).encode()).digest()
    return f"'sha256-{b64encode(digest).decode()}'"
