"""Files that others may have touched: read as regular files alone, within bounds, and believed only with their seal."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tomllib
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA: Final = 1
MOST_BYTES: Final = 1 << 30  # the record of a day at a thousand requests per second is smaller
_ENVELOPE: Final = re.compile(rb'\{"schema":(\d{1,9}),"sha256":"([0-9a-f]{64})","(\w+)":')
_LONGEST_INTEGER: Final = 18  # digits; what is longer may not fit into 64 bits
_LARGEST: Final = 10**_LONGEST_INTEGER
_DEEPEST: Final = 20  # tables and lists in each other; a plan has three
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class DamagedFileError(Exception):
    """A file is not what was written there; the message says why, without the file's name."""


class NewerFileError(Exception):
    """A newer loadlab wrote the file; `schema` is the version of its form."""

    def __init__(self, schema: int) -> None:
        super().__init__(f"schema {schema}")
        self.schema = schema


def read_regular(path: Path, *, offset: int = 0, most_bytes: int = MOST_BYTES, part: int | None = None) -> bytes:
    """The content of a regular file from `offset` on; never waits for a writer, and follows no link.

    With `part`, no more bytes than that of it.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it is something else, cannot be read, or is larger than `most_bytes`.
    """
    file = open_regular(path)
    try:
        size = os.fstat(file).st_size - offset
        if size > most_bytes:
            raise DamagedFileError(f"it has {size:,} bytes, more than loadlab reads")
        return os.pread(file, max(0, size if part is None else min(size, part)), offset)
    except OSError as error:
        raise DamagedFileError(f"it cannot be read: {error.strerror}") from error
    finally:
        os.close(file)


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; never waits for the other end, and follows no link in the last place.

    Raises:
        FileNotFoundError: there is none.
        DamagedFileError: it is something else, or cannot be opened.
    """
    try:
        file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a null byte in a name is a ValueError
        raise DamagedFileError(what_else(path) or f"it cannot be opened: {error}") from error
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise DamagedFileError(what_else(path) or "it is not a regular file")
    return file


def what_else(path: Path) -> str:
    """What is there instead of a regular file, as a message says it; empty for a file, or for nothing."""
    with suppress(OSError, ValueError):
        kind = _KINDS.get(stat.S_IFMT(path.lstat().st_mode))
        return f"it is {kind}, not a file" if kind else ""
    return ""


def is_no_folder(path: Path) -> bool:
    """Whether something other than a folder has its name, such as a link to one."""
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


def sealed(kind: str, body: bytes) -> bytes:
    """JSON in an envelope with its own checksum."""
    digest = hashlib.sha256(body).hexdigest()
    return f'{{"schema":{SCHEMA},"sha256":"{digest}","{kind}":'.encode() + body + b"}"


def unsealed(content: bytes, kind: str) -> bytes:
    """The JSON in an envelope, if it is what was written and holds no number that loadlab would not write.

    Raises:
        DamagedFileError: it is not.
        NewerFileError: a newer loadlab wrote it.
    """
    body = _sealed_body(content, kind)
    plain_json(body)
    return body


def unsealed_value(content: bytes, kind: str) -> Any:  # noqa: ANN401  any JSON
    """What that JSON says.

    Raises:
        DamagedFileError, NewerFileError: as above.
    """
    return plain_json(_sealed_body(content, kind))


def _sealed_body(content: bytes, kind: str) -> bytes:
    envelope = _ENVELOPE.match(content)
    if envelope is None or envelope[3] != kind.encode():
        raise DamagedFileError("it is not a record of loadlab")
    if int(envelope[1]) > SCHEMA:
        raise NewerFileError(int(envelope[1]))
    body = content[envelope.end() : -1]
    if not content.endswith(b"}") or hashlib.sha256(body).hexdigest().encode() != envelope[2]:
        raise DamagedFileError("the checksum does not match")
    return body


def plain_json(content: bytes) -> object:
    """The value that a JSON text holds, if all its numbers are finite and fit into 64 bits.

    Raises:
        DamagedFileError: it is no JSON, or nested too deeply, or holds such a number.
    """
    import msgspec  # noqa: PLC0415  only who reads records waits for it

    with suppress(msgspec.DecodeError, ValueError, RecursionError):
        value: object = msgspec.json.decode(content)
        if _has_plain_numbers(value):
            return value
    return _as_python_reads(content)


def _has_plain_numbers(value: Any) -> bool:  # noqa: ANN401  any JSON
    inside = [[value]]  # grows while it is gone through
    for values in inside:
        for one in values:
            kind = type(one)
            if kind is int:
                if not -_LARGEST < one < _LARGEST:
                    return False
            elif kind is float:
                if not isfinite(one):
                    return False
            elif kind is dict:
                inside.append(one.values())
            elif kind is list:
                inside.append(one)
    return True


def _as_python_reads(content: bytes) -> object:
    """The same by Python's own reader, which is slower and says what is wrong."""
    try:
        return json.loads(content, parse_int=_integer, parse_float=_float, parse_constant=_float)
    except RecursionError:
        raise DamagedFileError("it is nested too deeply") from None
    except ValueError as error:  # also of what is not UTF-8
        raise DamagedFileError(f"it is not valid JSON of loadlab: {error}") from error


def plain_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text, if they are as deep and their numbers as long as people write them.

    Raises:
        DamagedFileError: it is not TOML, or not like that.
    """
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise DamagedFileError("it is nested too deeply") from None
    except ValueError as error:  # of tomllib, or of Python for a number of thousands of digits
        raise DamagedFileError(str(error)) from error
    level: list[object] = [tables]
    for _ in range(_DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
        if any(isinstance(each, int) and abs(each) >= 10**_LONGEST_INTEGER for each in level):
            raise DamagedFileError(f"a number in it has more than {_LONGEST_INTEGER} digits")
    if level:
        raise DamagedFileError("it is nested too deeply")
    return tables


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _LONGEST_INTEGER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:20]} is not a number")
    return value


def write_whole(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a file whole or not at all, on the disk when this returns; it replaces a file or link of its name.

    The content may come in parts.

    Raises:
        OSError: the disk is full, or does not take it for another reason.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.unlink(missing_ok=True)  # a draft that is a link would lead out of the folder
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
            file.writelines([content] if isinstance(content, bytes) else content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def set_aside(path: Path) -> Path:
    """Give what is damaged another name beside its own, which no reader takes for a record; returns where it is.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.damaged")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    path.rename(aside)
    return aside
