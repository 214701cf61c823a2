"""What scenarios may be told on Locust's command line: the kinds of values, and how wrong ones are refused."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError


def seconds(text: str) -> float:
    """A time of 0 seconds or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"should be seconds, a number of 0 or more, not {text!r}")
    return number


def count(text: str) -> int:
    """A whole number of 1 or more."""
    return _whole(text, 1)


def weight(text: str) -> int:
    """A whole number of 0 or more."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise ArgumentTypeError(f"should be a whole number of {least} or more, not {text!r}")
    return int(text)
