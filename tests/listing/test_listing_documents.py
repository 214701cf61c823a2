"""A listing as JSON: all of it comes back, and what is none is refused with the reason."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from every import every
from factories.listings import CART, OUTSIDE, connections, listing

from loadlab.listing.documents import as_document, as_json, from_json
from loadlab.model.holders import Holder
from loadlab.model.open_connections import AliasSettings, EndedConnection, Listing, OpenConnection, Session

HOSTILE = "shop/\n\x1b[31mowned\x07\r\u202e/"


def everything() -> Listing:
    """With each fact of a connection in it, and each holder."""
    session = Session(
        state="idle in transaction",
        state_seconds=2.5,
        wait="Client:ClientRead",
        transaction_seconds=3.25,
        client="10.0.0.7",
        user="shop",
        application="report",
    )
    facts: dict[str, Any] = {
        one.name: True for one in fields(OpenConnection) if str(one.type) == "bool" and one.default is False
    }
    full = connections(2, opened_by=CART, used_by=OUTSIDE, shared_with=(7, 8), host="web-1", session=session, **facts)
    bare = tuple(OpenConnection(alias="other", holder=holder) for holder in Holder)
    aliases = {
        "default": AliasSettings(vendor="postgresql", max_age=None),
        "other": AliasSettings(vendor="sqlite", max_age=0, pool=True),
    }
    return Listing(
        at=1.8e9,
        connections=full + bare,
        aliases=aliases,
        server="gevent",
        asked=True,
        limit=97,
        notes=("One.",),
        ended=(EndedConnection(alias="other", backend=-7),),
        silent=("web-2",),
    )


def test_all_that_a_listing_says_comes_back_from_its_json() -> None:
    whole = everything()
    assert from_json(as_json(whole)) == whole
    assert all(getattr(whole.connections[0], one.name) != one.default for one in fields(OpenConnection))


def test_facts_that_are_as_usual_take_no_room() -> None:
    (bare,) = as_document(replace(everything(), connections=(OpenConnection(alias="a", holder=Holder.IDLE),)))[
        "connections"
    ]
    assert bare == {"alias": "a", "holder": "idle"}


def test_a_later_loadlab_may_tell_more() -> None:
    document = as_document(listing(connections(1)))
    document["colour"] = document["connections"][0]["colour"] = "blue"
    document["connections"][0]["holder"] = "borrowed"
    (one,) = from_json(json.dumps(document)).connections
    assert one.holder is Holder.UNKNOWN
    document["version"] = 2
    with pytest.raises(ValueError, match="of version 2, and this loadlab reads 1"):
        from_json(json.dumps(document))


def test_texts_of_a_foreign_listing_are_made_fit_for_a_terminal() -> None:
    document = json.loads(as_json(everything()).replace("cart/", json.dumps(HOSTILE)[1:-1]))
    document["connections"][0]["thread_name"] = HOSTILE * 1000
    first, second, *_ = from_json(json.dumps(document)).connections
    assert second.opened_by is not None
    assert second.opened_by.name == "shop/ �[31mowned���/"
    assert first.thread_name.startswith("shop/ �[31m")
    assert len(first.thread_name) <= 256


@every(
    ("change", "complaint"),
    [
        ({"connections": 3}, "3 is where a list should be"),
        ({"connections": [3]}, "3 is where a OpenConnection should be"),
        ({"connections": [{"alias": "default"}]}, "holder"),
        ({"connections": [{"alias": 1, "holder": "idle"}]}, "1 is where a text should be"),
        ({"connections": [{"alias": "a", "holder": "idle", "served": "7"}]}, "'7' is where a number should be"),
        ({"connections": [{"alias": "a", "holder": "idle", "served": 7.5}]}, "7.5 is where a whole number"),
        ({"connections": [{"alias": "a", "holder": "idle", "kept": 1}]}, "1 is where true or false should be"),
        ({"connections": [{"alias": "a", "holder": "idle", "opened_by": {"kind": "x"}}]}, "name"),
        ({"aliases": []}, "settings of aliases"),
        ({"at": True}, "True is where a number should be"),
        ({"at": float("nan")}, "NaN is not a number"),
        ({"at": 10**400}, "is where a number should be"),
    ],
)
def test_what_is_no_listing_is_refused_with_the_reason(change: dict[str, Any], complaint: str) -> None:
    document = as_document(listing(connections(1))) | change
    with pytest.raises(ValueError, match=complaint):
        from_json(json.dumps(document))


@every("text", ["", "[]", "{}", "# HELP loadlab", "[" * 100_000, '"x"'])
def test_what_is_no_json_of_a_listing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is|Expecting"):
        from_json(text)
