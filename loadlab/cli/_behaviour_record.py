"""The file of a recording of behaviours: one line of JSON for each row, so that a change shows as one line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from loadlab.errors import UsageError
from loadlab.model.behaviour import Recording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LISTS: Final = ("rows", "workers", "claims")
# Names as earlier versions wrote them: of keys, and of what has a version.
EARLIER: Final = {"cases": "claims"}
EARLIER_PACKAGES: Final = {"Django": "django", "psycopg2": "psycopg2-binary", "psycopg_pool": "psycopg-pool"}
HOW_TO_MAKE: Final = "`loadlab behaviour --json FILE` writes one"
_RECORDING: Final = TypeAdapter(Recording)


def read_recording(path: Path) -> Recording:
    """What was recorded in a file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        said = json.loads(path.read_bytes())
        return _RECORDING.validate_python(_renamed(said) if isinstance(said, dict) else said)
    except OSError as error:
        raise UsageError(f"The recording {path} cannot be read: {error.strerror}. {HOW_TO_MAKE}.") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not a recording of behaviours: {error}. {HOW_TO_MAKE}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(f"{path} is not a recording of behaviours: {where}: {first['msg']}. {HOW_TO_MAKE}.") from error


def _renamed(said: dict[str, object]) -> dict[str, object]:
    present = {EARLIER.get(key, key): value for key, value in said.items()}
    if isinstance(versions := present.get("versions"), dict):
        present["versions"] = {EARLIER_PACKAGES.get(name, name): version for name, version in versions.items()}
    return present


def as_json(recording: Recording) -> str:
    return "{\n" + ",\n".join(_members(_RECORDING.dump_python(recording, mode="json"))) + "\n}\n"


def _members(record: dict[str, object]) -> Iterator[str]:
    for name, value in record.items():
        if name in LISTS and isinstance(value, list):
            lines = ",\n".join(f"  {_compact(one)}" for one in value)
            yield f" {_compact(name)}: [\n{lines}\n ]" if lines else f" {_compact(name)}: []"
        else:
            yield f" {_compact(name)}: {_compact(value)}"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
