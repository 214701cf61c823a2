"""A column comes back to the last bit, and what is damaged is refused."""

from __future__ import annotations

import base64
import zlib
from array import array
from math import inf, isnan, nan

import pytest

from loadlab.model import columns
from loadlab.model.columns import pack, unpack


def test_numbers_come_back_to_the_last_bit() -> None:
    numbers = [0.1, -0.0, 1e-308, 1.7976931348623157e308, inf, 1 / 3]
    assert array("d", unpack(pack(numbers))).tobytes() == array("d", numbers).tobytes()
    assert isnan(unpack(pack([nan]))[0])
    assert list(unpack(pack([]))) == []


def test_the_form_on_disk_is_base64_of_zlib_of_little_endian_doubles() -> None:
    text = base64.b64encode(zlib.compress(bytes.fromhex("000000000000e03f"))).decode()
    assert list(unpack(text)) == [0.5]


def test_numbers_that_are_no_text_are_taken_as_they_are() -> None:
    assert list(unpack((1, 2.5))) == [1.0, 2.5]


def test_an_invalid_column_is_refused() -> None:
    whole = zlib.compress(array("d", [1.0] * 100).tobytes())
    damaged = {
        "no text": 7,
        "no numbers": ["1"],
        "no base64": "!",
        "no zlib": base64.b64encode(b"plain").decode(),
        "cut off": base64.b64encode(whole[:-4]).decode(),
        "not whole numbers": base64.b64encode(zlib.compress(b"abc")).decode(),
    }
    taken = []
    for what, text in damaged.items():
        try:
            unpack(text)
        except ValueError:
            continue
        taken.append(what)
    assert taken == []


def test_a_column_longer_than_any_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_BYTES", 80)
    assert len(unpack(pack([1.0] * 10))) == 10
    with pytest.raises(ValueError, match="longer than any"):
        unpack(pack([1.0] * 11))
