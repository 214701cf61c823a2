"""Odd expositions, as scrapes of production bring them: each is counted rightly, or refused in one sentence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from every import every

from loadlab.errors import EnvironmentFaultError
from loadlab.report.watch import as_text, why_invalid
from loadlab.scrape import understood
from loadlab.watch.observation import observe

if TYPE_CHECKING:
    from loadlab.model.observation import Observation

URL = "http://127.0.0.1:9182/metrics?token=canary"
BUILD = 'loadlab_build_info{version="1",django="5",python="3"} 1\n'
Labels = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class At:
    """What one alias of one host shows; `more` are labels that a relabelling has added.

    With `held`, by holder, it shows these and not `open`, which is how an earlier loadlab tells their sum.
    """

    opened: float = 0
    reused: float = 0
    open: float = 0
    held: dict[str, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    lived: tuple[float, float] = (0, 0)
    alias: str = "default"
    more: Labels = field(default_factory=dict)
    without: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [
            *(self._line("loadlab_db_connections_open", n, holder=holder) for holder, n in self.held.items()),
            *([] if self.held else [self._line("loadlab_db_connections_open", self.open)]),
            self._line("loadlab_db_connections_opened_total", self.opened),
            self._line("loadlab_db_requests_total", self.opened, connection="opened"),
            self._line("loadlab_db_requests_total", self.reused, connection="reused"),
            *(self._line("loadlab_db_connections_closed_total", n, reason=why) for why, n in self.closed.items()),
        ]
        if any(self.lived):
            lines.append(self._line("loadlab_db_connection_age_seconds_count", self.lived[0]))
            lines.append(self._line("loadlab_db_connection_age_seconds_sum", self.lived[1]))
        return "".join(line for line in lines if not any(f"{name}{{" in line for name in self.without))

    def _line(self, name: str, value: float, **labels: str) -> str:
        known = {"alias": self.alias, **labels, **self.more}
        inside = ",".join(f'{key}="{text}"' for key, text in known.items())
        return f"{name}{{{inside}}} {value}\n"


def text_of(scrape: Any) -> str:
    if isinstance(scrape, str):
        return scrape
    each = scrape if isinstance(scrape, (list, tuple)) else [scrape]
    return BUILD + "".join(one.text() for one in each)


def watched(*scrapes: Any, threads: int | None = None) -> Observation:
    """One reading each ten seconds."""
    readings = []
    for number, scrape in enumerate(scrapes):
        readings.append(replace(understood(text_of(scrape), URL), at=10.0 * number))
    return observe(readings, gaps=0, threads=threads)


def host(name: str, **counts: Any) -> At:
    return At(more={"instance": name}, **counts)


def held(name: str = "", opened: float = 0, reused: float = 0, closed: Any = None, **holders: float) -> At:
    """As this loadlab shows it."""
    more = {"instance": name} if name else {}
    return At(opened=opened, reused=reused, closed=closed or {}, held={"leaked": 0, **holders}, more=more)


NOTHING = At()
# What a row says → scrapes → (leak begins with, opened, reused, last open, resets).
COUNTED: dict[str, tuple[list[Any], tuple[str, float, float, float, int]]] = {
    "fifteen openings, all of which stay open, are too few": (
        [NOTHING, At(opened=15, open=15)],
        ("too_few_opened", 15, 0, 15, 0),
    ),
    "half of eighteen are garbage collected, which are too few": (
        [NOTHING, At(opened=18, open=9, closed={"garbage_collected": 9})],
        ("too_few_opened", 18, 0, 9, 0),
    ),
    "a third is kept and more are open at each reading": (
        [At(opened=100 * n, open=10 + 30 * n, closed={"request_end": 70 * n}) for n in range(5)],
        ("yes", 400, 0, 130, 0),
    ),
    "a third is kept, seen at both ends alone": (
        [At(open=10), At(opened=400, open=130, closed={"request_end": 280})],
        ("yes", 400, 0, 130, 0),
    ),
    "threads warm up, as many connections are open, and no more": (
        [
            NOTHING,
            At(opened=40, reused=20, open=40),
            At(opened=64, reused=90, open=64),
            At(opened=64, reused=500, open=64),
        ],
        ("no", 64, 500, 64, 0),
    ),
    "a few threads warm up": (
        [NOTHING, At(opened=8, reused=12, open=8), At(opened=8, reused=60, open=8), At(opened=8, reused=140, open=8)],
        ("no", 8, 140, 8, 0),
    ),
    "threads have begun to warm up": (
        [NOTHING, At(opened=30, reused=10, open=30), At(opened=45, reused=35, open=45)],
        ("still_growing", 45, 35, 45, 0),
    ),
    "every connection is closed at the end of its request": (
        [NOTHING, At(opened=300, closed={"request_end": 300})],
        ("no", 300, 0, 0, 0),
    ),
    "users grow in number at age zero, and requests take long": (
        [
            At(opened=100, open=2, closed={"request_end": 98}, lived=(98, 490)),
            At(opened=200, open=20, closed={"request_end": 180}, lived=(180, 900)),
            At(opened=300, open=45, closed={"request_end": 255}, lived=(255, 1275)),
        ],
        ("no", 200, 0, 45, 0),
    ),
    "the same growth where requests take no time is a leak": (
        [
            At(opened=100, open=2, closed={"request_end": 98}, lived=(98, 1)),
            At(opened=200, open=30, closed={"request_end": 170}, lived=(170, 2)),
            At(opened=300, open=58, closed={"request_end": 242}, lived=(242, 3)),
        ],
        ("yes", 200, 0, 58, 0),
    ),
    "the garbage collector ends what leaked": (
        [NOTHING, At(opened=100, open=5, closed={"garbage_collected": 95})],
        ("yes", 100, 0, 5, 0),
    ),
    "all is reused": ([At(opened=4, open=4), At(opened=4, reused=300, open=4)], ("no", 0, 300, 4, 0)),
    "kept ones expire and are opened again": (
        [NOTHING, At(opened=60, reused=940, open=20, closed={"max_age": 40})],
        ("no", 60, 940, 20, 0),
    ),
    "nothing happens": ([At(opened=50, open=3)] * 3, ("unused", 0, 0, 3, 0)),
    "the alias is absent from one scrape": (
        [
            At(opened=1000, reused=9000, open=3),
            At(opened=1005, reused=9100, open=3),
            BUILD,
            At(opened=1020, reused=9300, open=3),
        ],
        ("no", 20, 300, 3, 0),
    ),
    "the alias is absent from the last scrape": (
        [At(opened=1000, reused=9000, open=3), At(opened=1020, reused=9300, open=3), BUILD],
        ("no", 20, 300, 3, 0),
    ),
    "one family is absent from one scrape": (
        [
            At(opened=1000, reused=9000, open=3),
            At(opened=1010, reused=9100, open=3, without=("loadlab_db_connections_opened_total",)),
            At(opened=1020, reused=9300, open=3),
        ],
        ("no", 20, 300, 3, 0),
    ),
    "one reason to close is absent from one scrape": (
        [
            At(opened=100, reused=900, closed={"max_age": 97}, open=3),
            At(opened=110, reused=950, open=3),
            At(opened=120, reused=990, closed={"max_age": 117}, open=3),
        ],
        ("no", 20, 90, 3, 0),
    ),
    "the alias comes into use during the watch": ([BUILD, At(opened=7, reused=93, open=7)], ("no", 7, 93, 7, 0)),
    "the site is restarted": (
        [NOTHING, At(opened=100, reused=900), At(opened=10, reused=90), At(opened=60, reused=540)],
        ("no", 160, 1440, 0, 1),
    ),
    "the site is restarted, and its alias is not used at once": (
        [
            At(opened=1000, reused=9000, open=8),
            BUILD,
            BUILD,
            At(opened=8, reused=90, open=8),
            At(opened=8, reused=400, open=8),
        ],
        ("no", 8, 400, 8, 1),
    ),
    "the site leaks again after a restart": (
        [At(opened=500, open=90)]
        + [At(opened=60 * n, open=50 * n, closed={"garbage_collected": 10 * n}) for n in range(1, 4)],
        ("yes", 180, 0, 150, 1),
    ),
    "a busy site is restarted and soon counts more than before": (
        [NOTHING, At(opened=100), At(opened=10), At(opened=160)],
        ("no", 260, 0, 0, 1),
    ),
    "two hosts in one exposition are added up": (
        [
            [host("a", opened=20, reused=80, open=2), host("b", opened=30, reused=70, open=3)],
            [host("a", opened=60, reused=480, open=2), host("b", opened=230, reused=670, open=3)],
        ],
        ("no", 240, 1000, 5, 0),
    ),
    "one of two hosts is absent from one scrape": (
        [
            [host("a", opened=1000, open=2), host("b", opened=500, open=3)],
            [host("a", opened=1010, reused=100, open=2)],
            [host("a", opened=1020, reused=200, open=2), host("b", opened=510, reused=100, open=3)],
        ],
        ("no", 30, 300, 5, 0),
    ),
    "a third host joins, and what it counted before does not": (
        [
            [host("a", opened=1000, open=2)],
            [host("a", opened=1010, reused=100, open=2), host("c", opened=9000, reused=5, open=4)],
            [host("a", opened=1020, reused=200, open=2), host("c", opened=9010, reused=105, open=4)],
        ],
        ("no", 30, 300, 6, 0),
    ),
    "one of two hosts goes for good": (
        [[host("a", opened=100, open=2), host("b", opened=50, open=30)]]
        + [[host("a", opened=100, reused=100 * n, open=2)] for n in (1, 2)],
        ("no", 0, 200, 2, 0),
    ),
    "one of two hosts is restarted": (
        [
            [host("a", opened=1000, reused=5000, open=2), host("b", opened=500, open=3)],
            [host("a", opened=2, reused=50, open=2), host("b", opened=510, reused=90, open=3)],
            [host("a", opened=4, reused=150, open=2), host("b", opened=520, reused=190, open=3)],
        ],
        ("no", 24, 340, 5, 1),
    ),
    "fifteen openings, all of which have leaked": (
        [held(leaked=0), held(opened=15, leaked=15)],
        ("yes", 15, 0, 15, 0),
    ),
    "half leak, and the garbage collector has just been there": (
        [held(opened=40 * n, leaked=(0, 12, 3, 14, 1)[n], idle=4) for n in range(5)],
        ("yes", 160, 0, 5, 0),
    ),
    "most of what is open has leaked, and there are no requests": (
        [held(opened=50, leaked=30, idle=4)] * 3,
        ("yes", 0, 0, 34, 0),
    ),
    "nothing has leaked, and there are no requests": ([held(opened=50, idle=30)] * 3, ("unused", 0, 0, 30, 0)),
    "four threads of start-up have ended, and all requests find a connection": (
        [held(opened=8, reused=100 * n, leaked=4, idle=4) for n in range(3)],
        ("no", 0, 200, 8, 0),
    ),
    "one thread in a hundred requests leaves its connection": (
        [held(opened=30 * n, reused=2970 * n, leaked=30 * n, idle=8) for n in range(3)],
        ("yes", 60, 5940, 68, 0),
    ),
    "users grow in number, and each connection is in use": (
        [held(opened=100 * n, in_use=20 * n, closed={"request_end": 80 * n}) for n in range(1, 4)],
        ("no", 200, 0, 60, 0),
    ),
    "as many stay open that nothing uses, although their threads live": (
        [held(opened=100 * n, idle=20 * n, closed={"request_end": 80 * n}) for n in range(1, 4)],
        ("yes", 200, 0, 60, 0),
    ),
    "a pool fills": ([held(), held(opened=40, reused=20, pool_idle=40)], ("no", 40, 20, 40, 0)),
    "an earlier loadlab and this one, on a host each": (
        [
            [host("a", opened=20, reused=80, open=2), held("b", opened=30, reused=70, idle=3)],
            [host("a", opened=60, reused=480, open=2), held("b", opened=50, reused=670, idle=3)],
        ],
        ("no", 60, 1000, 5, 0),
    ),
    "one of two hosts leaks, and the other one tells no holders": (
        [
            [host("a", opened=20, reused=80, open=2), held("b", opened=30 * n, reused=70, leaked=8 * n, idle=3)]
            for n in range(3)
        ],
        ("yes", 60, 0, 21, 0),
    ),
    "an unknown holder of a later loadlab is open all the same": (
        [held(opened=4, reused=100 * n, idle=3, lent_to_a_friend=1) for n in range(3)],
        ("no", 0, 200, 4, 0),
    ),
    "samples carry job and instance labels and times, as in a federation": (
        [
            BUILD + 'loadlab_db_connections_opened_total{alias="default",instance="a",job="x"} 1 1700000000000\n',
            BUILD + 'loadlab_db_connections_opened_total{alias="default",instance="a",job="x"} 6 1700000010000\n',
        ],
        ("too_few_opened", 5, 0, 0, 0),
    ),
}


@every("row", COUNTED)
def test_an_odd_exposition_is_counted(row: str) -> None:
    scrapes, expected = COUNTED[row]
    observation = watched(*scrapes)
    assert observation.invalid is None
    seen = observation.aliases["default"]
    assert seen.leak == expected[0]
    assert (seen.opened, seen.reused, seen.open[2], observation.resets) == expected[1:]


def levels(*opened: float) -> list[At]:
    return [At(opened=one, reused=9 * one) for one in opened]


IN_TURN = {
    "far apart, strictly in turn": levels(14_000, 30, 14_010, 40, 14_020, 50),
    "far apart, at random": levels(14_000, 14_010, 30, 35, 14_020, 40),
    "far apart, the other one once": levels(14_000, 14_010, 30, 14_020),
    "the smaller one first and last": levels(30, 14_000, 40),
    "nearly alike": levels(1000, 1005, 1003, 1010, 1008),
    "three of them": levels(100, 5000, 900, 110, 5010, 910),
}


@every("row", IN_TURN)
def test_hosts_that_answer_in_turn_are_noticed(row: str) -> None:
    observation = watched(*IN_TURN[row])
    assert "Name the address of one host" in why_invalid(observation)
    assert observation.aliases == {}
    assert observation.difference is None


def sample(labels: str, name: str = "loadlab_db_connections_closed_total", value: str = "1") -> str:
    return f"{BUILD}{name}{{{labels}}} {value}\n"


REFUSED = {
    "the reason is dropped": (sample('alias="default"'), "has no label 'reason'"),
    "the alias is renamed": (sample('database="default",reason="max_age"'), "has no label 'alias'"),
    "the connection is dropped": (sample('alias="x"', "loadlab_db_requests_total"), "has no label 'connection'"),
    "the kind is dropped": (sample('alias="x"', "loadlab_db_connect_errors_total"), "has no label 'kind'"),
    "hosts are merged without a label": (
        sample('alias="x",reason="max_age"') + 'loadlab_db_connections_closed_total{alias="x",reason="max_age"} 5\n',
        "twice with the same labels",
    ),
    "a count is not a number": (sample('alias="x"', "loadlab_db_connections_opened_total", "NaN"), "is not a count"),
    "a count is infinite": (sample('alias="x"', "loadlab_db_connections_opened_total", "+Inf"), "is not a count"),
    "a count is negative": (sample('alias="x"', "loadlab_db_connections_open", "-3"), "is not a count"),
    "it is a page": ("<html>", "not in Prometheus' text format"),
    "it is somebody else's": ("up 1\n", "none of loadlab's"),
}


@every("row", REFUSED)
def test_what_cannot_be_understood_is_refused(row: str) -> None:
    text, message = REFUSED[row]
    with pytest.raises(EnvironmentFaultError, match=message) as raised:
        understood(text, URL)
    assert "canary" not in str(raised.value)


def test_units_of_each_kind_are_read_and_requests_are_what_is_left() -> None:
    def at(opened: int, tasks: int) -> str:
        units = "".join(
            f'loadlab_db_units_total{{alias="default",kind="{kind}",connection="{how}"}} {value}\n'
            for kind, how, value in [
                ("request", "opened", opened - tasks),
                ("request", "reused", 0),
                ("task", "opened", tasks),
                ("task", "reused", 0),
            ]
        )
        return text_of(At(opened=opened)) + units

    one = watched(at(10, 4), at(30, 10)).aliases["default"]
    assert (one.requests, one.units) == (14, {"task_opened": 6})


def test_threads_that_are_known_to_be_there_may_keep_one_each() -> None:
    burst = [At(opened=0), At(opened=64, open=64)]
    assert watched(*burst).aliases["default"].leak == "yes"
    assert watched(*burst, threads=64).aliases["default"].leak.told == "cannot tell"
    assert watched(*burst, threads=8).aliases["default"].leak == "yes"


def test_each_alias_is_followed_for_itself() -> None:
    def both(n: int) -> list[At]:
        return [At(opened=4, reused=100 * n, open=4), At(alias="replica", opened=50 * n, open=50 * n)]

    seen = watched(both(0), both(1), both(2)).aliases
    assert (seen["default"].leak, seen["replica"].leak) == ("no", "yes")


def test_a_request_that_is_counted_in_pieces_hides_no_leak() -> None:
    def scrape(n: int) -> str:
        counted = f'loadlab_http_request_duration_seconds_count{{route="/",method="GET",status_class="2xx"}} {60 * n}\n'
        typed = "# TYPE loadlab_http_request_duration_seconds histogram\n"
        return text_of(At(opened=60 * n, reused=600 * n, open=60 * n)) + typed + counted

    assert watched(scrape(0), scrape(1)).aliases["default"].leak == "yes"


def test_holders_are_told_where_every_open_connection_has_one() -> None:
    first, last = held(opened=9, leaked=2, idle=7), held(opened=20, leaked=5, idle=7, in_use=1)
    told = watched(first, held(opened=19, leaked=6, idle=7), last)
    one = told.aliases["default"]
    assert (one.leaked, one.holders) == ((2, 6, 5), {"leaked": 5, "idle": 7, "in_use": 1})
    text = as_text(told)
    assert "9 at first, 13 at most, 13 at last, of which 5 leaked (thread ended; 6 at most)" in text
    assert "held by      idle 7, leaked 5, in_use 1" in text


@every(
    ("scrape", "leaked", "said"),
    [
        (At(opened=8, open=4), None, "4 at last\n"),
        ([host("a", open=2), held("b", idle=2)], (0, 0, 0), "4 at last\n"),
        ([host("a", open=2), held("b", leaked=2)], (2, 2, 2), "4 at last, of which at least 2 leaked (thread ended)\n"),
        (held(idle=4), (0, 0, 0), "4 at last, none leaked\n"),
    ],
)
def test_no_more_is_said_of_leaked_ones_than_is_known(
    scrape: At | list[At], leaked: tuple[int, int, int] | None, said: str
) -> None:
    told = watched(scrape, scrape)
    assert told.aliases["default"].leaked == leaked
    assert said in as_text(told)


def test_a_few_leaked_ones_beside_no_leak_are_explained() -> None:
    text = as_text(watched(*(held(opened=8, reused=100 * n, leaked=2, idle=4) for n in range(3))))
    assert "leak         no: 2 of ended threads may wait for the garbage collector; `loadlab connections`" in text
