"""Reads a member of a family from the command line, written as in case ids: gthread,workers=2,threads=8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError

if TYPE_CHECKING:
    from loadlab.model.config import Scalar

WORDS: Final[dict[str, Scalar]] = {"on": True, "off": False, "true": True, "false": False}


def parsed(text: str, option: str) -> tuple[str, dict[str, Scalar]]:
    """A member and its parameters, written as in case ids."""
    name, *pairs = text.split(",")
    split = [pair.partition("=") for pair in pairs]
    if not all(separator and key for key, separator, _ in split):
        raise UsageError(f"{option} {text!r}: parameters are written as name=value, e.g. gthread,workers=2,threads=8")
    return name, {key: value(said) for key, _, said in split}


def value(text: str) -> Scalar:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
