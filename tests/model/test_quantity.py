"""What a probe reads is exposed and drawn by its kind."""

from __future__ import annotations

from loadlab.model.metrics import DATABASE_BACKENDS
from loadlab.model.quantity import Quantity

WAITING = Quantity(name="waiting", title="Locks waited for")
READ = Quantity(name="read_bytes", title="Read from disk", unit="bytes", kind="counter")


def test_a_probe_s_quantity_gets_a_metric_with_nothing_but_its_name() -> None:
    made = [(one.exposed and (one.exposed.name, one.exposed.kind, one.exposed.help)) for one in (WAITING, READ)]
    assert made == [
        ("loadlab_probe_waiting", "gauge", "Locks waited for (count)."),
        ("loadlab_probe_read_bytes_total", "counter", "Read from disk (bytes)."),
    ]


def test_a_quantity_with_a_place_or_a_metric_gets_no_second_one() -> None:
    assert Quantity(name="backends", title="Connections", placed=True).exposed is None
    named = Quantity(name="backends", title="Connections", metric=DATABASE_BACKENDS)
    assert named.exposed is DATABASE_BACKENDS


def test_a_counter_is_drawn_by_how_fast_it_grows() -> None:
    assert (WAITING.drawn_unit, READ.drawn_unit) == ("count", "bytes a second")
