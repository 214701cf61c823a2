"""The traffic of a log is what its lines say, in any usual format, and nothing of a line is told."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from every import every
from gunicorn.config import Config
from gunicorn.glogging import Logger
from hypothesis import given
from hypothesis import strategies as st

from loadlab.errors import UsageError
from loadlab.fleet.traffic.access_log import AccessLog

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.fleet import Rates

START: Final = datetime(2026, 11, 28, 23, 31, 25, tzinfo=UTC)
SECRET: Final = "203.0.113.7"  # of a visitor
FORMATS: Final = {
    "common": f'{SECRET} - frank [%d/%b/%Y:%H:%M:%S %z] "GET /a?b=[c] HTTP/1.1" 200 2326',
    "combined": f'{SECRET} - - [%d/%b/%Y:%H:%M:%S %z] "GET /a HTTP/1.1" 200 5 "https://x/" "Mozilla/5.0 [en] (X11)"',
    "more fields": f'{SECRET} - - [%d/%b/%Y:%H:%M:%S %z] "GET /a HTTP/1.1" 200 5 "-" "curl" 0.012 "10.0.0.1" [x]',
    "Apache's vhost_combined": f'shop:443 {SECRET} - - [%d/%b/%Y:%H:%M:%S %z] "GET /a HTTP/1.1" 200 5 "-" "curl"',
    "docker compose": f'web-1  | {SECRET} - - [%d/%b/%Y:%H:%M:%S %z] "GET /a HTTP/1.1" 200 5 "-" "curl"',
    "ISO in brackets": f'{SECRET} - - [%Y-%m-%dT%H:%M:%S+00:00] "GET /a HTTP/1.1" 200 5 "-" "curl"',
    "granian": f'[%Y-%m-%d %H:%M:%S %z] {SECRET} - "GET /a HTTP/1.1" 200 3.14',
    "daphne": f'{SECRET}:52312 - - [%d/%b/%Y:%H:%M:%S] "GET /a" 200 5',
    "runserver": '[%d/%b/%Y %H:%M:%S] "GET /a HTTP/1.1" 200 5',
    "uWSGI": f"[pid: 9|app: 0|req: 1/1] {SECRET} () {{28 vars}} [%a %b %d %H:%M:%S %Y] GET /a => generated 5 bytes",
    "nginx JSON": '{"time_iso8601":"%Y-%m-%dT%H:%M:%S+00:00","remote_addr":"1","request":"GET /a HTTP/1.1"}',
    "nginx msec": '{ "msec" : "%s.123", "request_time": "0.002", "request": "GET /a HTTP/1.1"}',
    "Caddy": '{"level":"info","ts":%s.5241024,"request":{"method":"GET","uri":"/a"},"duration":0.0009}',
    "Traefik": '{"RequestPath":"/a","StartUTC":"%Y-%m-%dT%H:%M:%S.123456789Z","Duration":5,"time":"soon"}',
    "structlog": '{"event":"x","timestamp":"%Y-%m-%d %H:%M:%S,123","path":"/a"}',
    "milliseconds": '{"time": 0.123, "timestamp": %s123, "path": "/a"}',
    "nanoseconds": '{"timestamp": "%s123456789", "path": "/a"}',
    "gunicorn JSON": '{"time": "[%d/%b/%Y:%H:%M:%S %z]", "request": "GET /a HTTP/1.1"}',
    "lower case": '{"@timestamp":"%Y-%m-%dt%H:%M:%S.1z","url":"/a"}',
}
LINE: Final = FORMATS["combined"]
MESSAGES: Final = "no time can be read"


def written(form: str, when: datetime) -> str:
    return when.strftime(form.replace("%s", str(int(when.timestamp()))))


def log(path: Path, seconds: list[int], form: str = LINE, end: str = "\n") -> Path:
    """A log with a request at each of these seconds after the start."""
    path.write_text("".join(written(form, START + timedelta(seconds=after)) + end for after in seconds))
    return path


def rates(path: Path | str, seconds: float | None = None, **parameters: Any) -> Rates:
    return AccessLog(files=[str(path)], **parameters).rates(seconds)


@pytest.mark.parametrize("name", FORMATS)
def test_requests_are_counted_by_the_second_in_every_format(name: str, tmp_path: Path) -> None:
    found = rates(log(tmp_path / "access.log", [0, 0, 1, 3, 3, 3, 3600], FORMATS[name]), only=["/a"])
    assert found.per_second[:5].tolist() == [2, 1, 0, 3, 0]
    assert (found.per_second.sum(), found.per_second[-1], found.seconds) == (7, 1, 3601)
    assert np.all(found.edges == np.arange(3602))


def test_the_log_that_gunicorn_itself_writes_is_read(tmp_path: Path) -> None:
    logger = Logger(Config())
    response = SimpleNamespace(status="200 OK", sent=5, headers=[])
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/a?b=1", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": SECRET}
    atoms = logger.atoms(response, SimpleNamespace(headers=[]), environ, timedelta(milliseconds=3))
    path = tmp_path / "gunicorn.log"
    path.write_text(logger.cfg.access_log_format % atoms + "\n")
    assert rates(path, only=["/a"]).per_second.tolist() == [1]


def test_gunicorns_messages_are_no_requests(tmp_path: Path) -> None:
    path = log(tmp_path / "out.log", [0, 1])
    path.write_text("[2026-11-28 09:00:00 +0000] [7] [INFO] Booting worker with pid: 7\n" + path.read_text())
    with pytest.raises(UsageError, match=f"out.log, line 1: {MESSAGES}"):
        rates(path)
    found = rates(path, skip_unreadable=True)
    assert found.per_second.tolist() == [1, 1]
    assert found.remarks == ("1 of 3 lines of the access log were unreadable and left out.",)


@given(
    after=st.lists(st.integers(0, 86_400), min_size=1, max_size=30),
    zones=st.lists(st.integers(-12 * 4, 14 * 4), min_size=1),
    form=st.sampled_from([LINE, '{"time":"%Y-%m-%dT%H:%M:%S%z"}', '{"time":"%Y-%m-%dT%H:%M:%S%:z"}']),
)
def test_order_and_time_zones_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, after: list[int], zones: list[int], form: str
) -> None:
    path = tmp_path_factory.mktemp("zones") / "access.log"
    lines = []
    for turn, second in enumerate(after):
        zone = timezone(timedelta(minutes=15 * zones[turn % len(zones)]))
        when = (START + timedelta(seconds=second)).astimezone(zone)
        lines.append(when.strftime(form.replace("%:z", f"{when:%z}"[:3] + ":" + f"{when:%z}"[3:])))
    path.write_text("\n".join(lines))
    found = rates(path)
    assert found.per_second.tolist() == np.bincount(np.array(after) - min(after)).tolist()


def test_the_hour_of_a_daylight_saving_change_is_not_doubled(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(
        '1.1.1.1 - - [25/Oct/2026:02:59:59 +0200] "GET / HTTP/1.1" 200 1\n'
        '1.1.1.1 - - [25/Oct/2026:02:00:00 +0100] "GET / HTTP/1.1" 200 1\n'
    )
    assert rates(path).per_second.tolist() == [1, 1]


def test_a_rotated_log_is_read_by_a_glob_whatever_its_compression(tmp_path: Path) -> None:
    log(tmp_path / "access.log", [10, 11])
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(log(tmp_path / "two", [0, 1, 1]).read_bytes()))
    log(tmp_path / "access.log.1", [5], FORMATS["nginx JSON"])
    found = rates(tmp_path / "access.log*")
    assert found.per_second.tolist() == [1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1]
    both = AccessLog(files=[str(tmp_path / "access.log"), str(tmp_path / "access.log*")]).rates(None)
    assert both.per_second.tolist() == found.per_second.tolist()


def test_a_log_comes_from_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = log(tmp_path / "one", [0, 2], end="\r\n").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert rates("-", time_key=None).per_second.tolist() == [1, 0, 1]


def test_files_are_found_beside_the_file_that_names_them(tmp_path: Path) -> None:
    log(tmp_path / "access.log", [0, 2])
    absolute = log(tmp_path / "other.log", [1])
    traffic = AccessLog(files=["access.*", str(absolute)]).beside(tmp_path)
    assert traffic.rates(None).per_second.tolist() == [1, 1, 1]
    assert AccessLog(files=["-"]).beside(tmp_path).files == ["-"]


def test_a_log_comes_from_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, log(tmp_path / "one", [0, 2]).read_bytes())
        os.close(writing)
        assert rates(f"/dev/fd/{reading}").per_second.tolist() == [1, 0, 1]
    finally:
        os.close(reading)


def test_zstd_is_read_where_python_can(tmp_path: Path) -> None:
    path = tmp_path / "access.log.zst"
    if sys.version_info < (3, 14):
        path.write_bytes(b"anything")
        with pytest.raises(UsageError, match=r"access\.log\.zst needs a Python with compression\.zstd \(3\.14\)"):
            rates(path)
    elif importlib.util.find_spec("compression.zstd"):
        from compression import zstd  # noqa: PLC0415

        path.write_bytes(zstd.compress(log(tmp_path / "one", [0, 2]).read_bytes()))
        assert rates(path).per_second.tolist() == [1, 0, 1]


def test_a_share_of_the_requests_uses_the_database_and_a_factor_multiplies_them(tmp_path: Path) -> None:
    found = rates(log(tmp_path / "access.log", [0, 0, 1]), database_share=0.5, scale=3.0)
    assert found.per_second.tolist() == [3.0, 1.5]
    assert found.remarks == ()


def test_a_log_is_repeated_or_cut_to_the_time_asked_for(tmp_path: Path) -> None:
    path = log(tmp_path / "access.log", [0, 0, 1, 2])
    longer = rates(path, 7.5)
    assert longer.per_second.tolist() == [2, 1, 1, 2, 1, 1, 2, 1]
    assert longer.edges.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7.5]
    assert longer.remarks == ("The access log covers 3 s, and is repeated until 8 s are over.",)
    shorter = rates(path, 2)
    assert (shorter.per_second.tolist(), shorter.seconds) == ([2, 1], 2)
    assert shorter.remarks == ("Of the 3 s of the access log, the first 2 s are used.",)
    assert rates(path, 3).remarks == ()


@given(
    after=st.lists(st.integers(0, 300), min_size=1), step=st.integers(1, 90), length=st.none() | st.floats(0.5, 1000)
)
def test_longer_steps_have_as_many_requests(
    tmp_path_factory: pytest.TempPathFactory, after: list[int], step: int, length: float | None
) -> None:
    path = log(tmp_path_factory.mktemp("steps") / "access.log", [0, *after])
    fine, coarse = rates(path, length), rates(path, length, step_seconds=step)
    assert np.all(np.diff(coarse.edges) > 0)
    assert (coarse.seconds, coarse.remarks) == (fine.seconds, fine.remarks)
    until = coarse.edges[:-1]  # the last step may be cut
    assert coarse.expected[:-1] == pytest.approx(np.interp(until, fine.edges, fine.expected))
    if length is None:
        assert coarse.expected[-1] == pytest.approx(len(after) + 1)


@every(
    ("selection", "kept"),
    [
        ({"only": ["/api/*"]}, [1, 2]),
        ({"only": ["/api/v?/x"]}, [1]),
        ({"without": ["/static/*", "/"]}, [1, 2, 5]),
        ({"only": ["/api/*", "/"], "without": ["*/x"]}, [0, 2, 6]),
        ({"only": ["/favicon.ico"]}, [5]),
        ({"only": ["/static"]}, []),
        ({"only": ["/*a*i*/y"]}, [2]),
        ({"only": ["*.*"]}, [3, 4, 5]),
    ],
)
@pytest.mark.parametrize("form", [LINE, FORMATS["nginx JSON"], FORMATS["Caddy"], FORMATS["uWSGI"]])
def test_only_requests_of_some_paths_count(
    selection: dict[str, list[str]], kept: list[int], form: str, tmp_path: Path
) -> None:
    paths = ["/", "/api/v1/x", "/api/y?z=/static/q", "/static/a.css", "/static/b.css?v=/api/1", "/favicon.ico", "/?q=1"]
    forms = [form.replace("/a", path, 1) for path in paths]
    path = tmp_path / "access.log"
    path.write_text("\n".join(written(one, START + timedelta(seconds=after)) for after, one in enumerate(forms)))
    if not kept:
        with pytest.raises(UsageError, match="Of 7 lines of the access log, none is a request whose path"):
            rates(path, **selection)
        return
    found = rates(path, **selection)
    assert np.flatnonzero(found.per_second).tolist() == kept
    assert found.seconds == 7  # as long as the log, whichever requests count
    assert found.remarks == (f"{len(kept)} of 7 lines of the access log count, by their paths.",)


def test_a_long_path_against_many_wildcards_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text(written(LINE.replace("/a", "/" + "ab" * 20_000), START) + "\n" + written(LINE, START))
    assert rates(path, without=["/*a*b*a*b*a*b*c"]).per_second.tolist() == [2]  # it would take years otherwise


@every(
    ("line", "expected"),
    [
        (f"{SECRET} said hello", "combined, common, or gunicorn's format"),
        ("{", "combined, common, or gunicorn's format"),
        (f'INFO:  {SECRET}:52341 - "GET / HTTP/1.1" 200 OK', "under time, timestamp, @timestamp"),
        (f'{{"when":"2026-11-28T23:31:25","ip":"{SECRET}"}}', "or your time_key"),
        (f'{SECRET} - - [31/Feb/2026:23:31:25 +0000] "GET / HTTP/1.1" 200 5', "combined, common, or gunicorn's format"),
        (f'{SECRET} - - [28/Foo/2026:23:31:25 +0000] "GET / HTTP/1.1" 200 5', "combined, common, or gunicorn's format"),
    ],
)
def test_an_unreadable_line_is_named_and_nothing_of_it_is_told(line: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    for before in (0, 3000):
        known = log(path, [0] * before).read_text()
        path.write_text(f"{known}{line}\n\n{known}")
        with pytest.raises(UsageError) as refused:
            rates(path)
        message = str(refused.value)
        assert message.startswith(f"{path}, line {before + 1}: {MESSAGES}. Expected: ")
        assert expected in message or before
        assert "Set skip_unreadable = true" in message
        assert not any(word in message for word in (SECRET, "said hello", "Feb", "when", "HTTP"))


def test_unreadable_lines_are_counted_and_left_out_if_asked_for(tmp_path: Path) -> None:
    path = log(tmp_path / "access.log", [0, 1])
    path.write_text(f"\x00\xff\n\n{path.read_text()}junk\n  \n" + 'x - - [30/Feb/2026:00:00:00 +0000] "GET\n')
    found = rates(path, skip_unreadable=True)
    assert found.per_second.tolist() == [1, 1]
    assert found.remarks == ("3 of 7 lines of the access log were unreadable and left out.",)


def test_a_key_of_the_users_choice_has_the_time(tmp_path: Path) -> None:
    path = log(tmp_path / "access.log", [0, 2], '{"time":"1999-01-01T00:00:00Z","when it came":"%Y-%m-%dT%H:%M:%SZ"}')
    assert rates(path, time_key="when it came").per_second.tolist() == [1, 0, 1]
    with pytest.raises(UsageError, match='under "begin"'):
        rates(path, time_key="begin")


@every(
    ("content", "wrong"),
    [
        (b"", "Of 0 lines of the access log, none is a request. Name another log"),
        (b"\n \n", "Of 2 lines of the access log, none is a request."),
        (b"x" * (1 << 21), "access.log, line 1 is longer than 1 MiB"),
    ],
)
def test_a_file_that_is_no_log_is_refused(content: bytes, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "access.log").write_bytes(content)
    with pytest.raises(UsageError, match=wrong):
        rates(tmp_path / "access.log")


def test_a_log_that_is_not_there_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'There is no log ".*nonesuch\*"'):
        rates(tmp_path / "nonesuch*")
    with pytest.raises(UsageError, match=r"is a folder\. Give a glob of its logs, such as .*/access\.log\*"):
        rates(tmp_path)
    whole = gzip.compress(log(tmp_path / "one", list(range(1000))).read_bytes())
    for damaged in (whole[: len(whole) // 2], b"not gzip", whole[:100] + b"\0" * 50 + whole[150:]):
        (tmp_path / "access.log.gz").write_bytes(damaged)
        with pytest.raises(UsageError, match=r"access\.log\.gz is damaged"):
            rates(tmp_path / "access.log.gz")


def test_a_time_far_from_the_others_is_named(tmp_path: Path) -> None:
    month = 31 * 86_400
    assert rates(log(tmp_path / "access.log", [0, month - 1])).seconds == month
    with pytest.raises(UsageError, match=r"access\.log, line 2: its time is more than 31 days from others"):
        rates(log(tmp_path / "access.log", [0, month]))


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "access.log.gz"
    line = written(json.dumps({"time": "%Y-%m-%dT%H:%M:%S.123Z", "agent": "x" * 2000}), START) + "\n"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(line.encode() * 1000)
    tracemalloc.start()
    try:
        assert rates(path).per_second.tolist() == [20_000]  # 40 MB
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
