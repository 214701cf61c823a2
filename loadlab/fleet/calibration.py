"""The shortest plan that measures what the fleet model has to know, for server modes that are named."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import tomli_w

from loadlab.system.files import plain_toml
from loadlab.system.packaged import packaged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.config import Config

NAME: Final = "calibration"


def calibration_plan(servers: Iterable[Config], **changes: Any) -> str:  # noqa: ANN401  any key of a plan
    """The text of the plan `calibration` with these server modes in place of its own; `changes` replace other keys.

    Modes of one name are swept: each combination of their parameters is measured.
    """
    plan = plain_toml((packaged("plans") / f"{NAME}.toml").read_text(encoding="utf-8"))
    tables: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    for server in servers:
        table = tables[server.name]
        for key, value in server.parameters.items():
            values = table.setdefault(key, [])
            if value is not None and value not in values:
                values.append(value)
    modes = {name: {key: values for key, values in table.items() if values} for name, table in tables.items()}
    return tomli_w.dumps({**plan, **changes, "servers": modes})
