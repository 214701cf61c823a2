"""Reads a port of the command line."""

from __future__ import annotations

import argparse
from typing import Final

HIGHEST_PORT: Final = 65535


def port(text: str) -> int:
    """0 is any that is free.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"should be a number from 0 to {HIGHEST_PORT}, not {text!r}")
    return int(text)


def port_after_plan(text: str) -> int:
    """The same, of an option without which a PLAN that follows it would be taken for the port."""
    try:
        return port(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; a PLAN goes before this option") from None
