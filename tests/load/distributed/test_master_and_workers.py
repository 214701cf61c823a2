"""Loads from several hosts, played by processes of this one: what they share, what they lose, and by which clock."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import psutil
import pytest
import zmq
from family import below, family, kill
from patience import await_that
from sites import PlainSite, plain_site, usual_request

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.generator import Generator
from loadlab.load.distributed.master import Master
from loadlab.load.distributed.rpc import WorkerLostError
from loadlab.load.distributed.signing import token_file
from loadlab.load.distributed.worker_handle import WorkerHandle
from loadlab.load.generator.contract import LoadRequest, LoadResult, LocustfileCheck
from loadlab.load.generator.control_socket import ControlSocket
from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.model.condition import OpenLoad
from loadlab.model.plan import Load
from loadlab.system.ports import free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

HERE = Path(__file__).parents[1]
POISSON = OpenLoad(rate=150.0, arrivals="poisson")
EXPECTED = 3
A_DAY = 86_400.5
MANY = 600  # more users than arrivals: on the busiest machine none is dropped
LEAP = 7.0


class Fleet:
    """Load workers, each of which another host could be, and the master that they come to."""

    def __init__(self, generator: Generator, port: int, folder: Path) -> None:
        self.generator = generator
        self.leap = folder / "leap"
        self.port = self._port = port
        self._log = folder / "workers.log"
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        return self._started("-m", "loadlab.load.distributed.worker", "--master-port", str(self._port), **environment)

    def start_ahead(self, seconds: float) -> subprocess.Popen[bytes]:
        return self._started(str(HERE / "clocked_worker.py"), str(self._port), str(seconds), str(self.leap))

    def _started(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            worker = subprocess.Popen([sys.executable, *arguments], stderr=log, env={**os.environ, **environment})
        self.workers.append(worker)
        return worker

    def run_load(self, load_request: LoadRequest) -> LoadResult:
        result = self.generator.begin(load_request).wait()
        assert result is not None
        return result

    def log(self) -> str:
        return self._log.read_text()

    def stranger(self, name: bytes, *frames: bytes) -> zmq.Socket[bytes]:
        """Somebody else at the master's port, who says these things."""
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, name)
        socket.linger = 0
        socket.connect(f"tcp://127.0.0.1:{self._port}")
        for frame in frames:
            socket.send(frame)
        return socket

    def greetings(self) -> int:
        """How many workers have come to the master so far."""
        return self.generator._log.read_text().count("reported as ready")

    def end(self) -> None:
        for worker in self.workers:
            kill(reversed(family(worker.pid)))
            worker.wait()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder, port = tmp_path_factory.mktemp("fleet"), free_port()
    load = Load(expect_workers=EXPECTED, master_bind_port=port)
    with Register.opened() as register, Generator(register, folder / "master.log", load) as generator:
        opened = Fleet(generator, port, folder)
        try:
            opened.start()
            opened.start_ahead(A_DAY)
            opened.start()
            generator.check_locustfile(HERE / "asks_once.py", shared=True)  # the master starts with its first request
            yield opened
        finally:
            opened.end()


@pytest.fixture
def site() -> Iterator[PlainSite]:
    with plain_site() as opened:
        yield opened


@pytest.fixture
def load_request(site: PlainSite, tmp_path: Path) -> Any:
    return partial(usual_request, site, tmp_path, users=300, processes=EXPECTED, open_load=POISSON)


def due_by(seconds: float) -> list[float]:
    return list(takewhile(lambda instant: instant < seconds, arrivals(POISSON, 7)))


def test_workers_with_skewed_clocks_send_exactly_the_schedule(fleet: Fleet, site: PlainSite, load_request: Any) -> None:
    fleet.generator.check_locustfile(HERE / "asks_once.py", shared=True)
    for trial in (1, 2):  # they stay in between
        asked = load_request()
        result = fleet.run_load(asked)
        due = due_by(1.2)
        assert result.lost == ()
        assert site.served() == trial * len(due) + (trial - 1)  # the page that counts is one of them
        assert len(result.requests) == len(due)
        assert sorted(result.requests.due) == pytest.approx(due, abs=1e-9)
        assert list(result.requests.ended) == sorted(result.requests.ended)
        assert len(result.busy) == len(result.skew) == EXPECTED
        assert max(result.skew) < LEAP / 2
        assert not any(Path(asked.result).parent.iterdir())


def test_the_users_of_a_closed_load_are_shared_out_over_hosts(fleet: Fleet, site: PlainSite, load_request: Any) -> None:
    drive = fleet.generator.begin(load_request(users=7, open_load=None))
    result = drive.wait()
    assert result is not None
    assert len(result.busy) == EXPECTED
    assert site.served() - 7 <= len(result.requests) <= site.served()
    assert drive.counts().requests == len(result.requests)


def test_while_it_runs_the_load_of_all_hosts_is_counted(fleet: Fleet, load_request: Any) -> None:
    drive = fleet.generator.begin(load_request(users=6, open_load=None, window_seconds=2.0))
    await_that(lambda: drive.counts().requests > 0)
    result = drive.wait()
    assert result is not None
    assert drive.counts().requests == len(result.requests)


def test_a_clock_that_leaps_during_a_load_is_found_out(fleet: Fleet, load_request: Any) -> None:
    drive = fleet.generator.begin(load_request())
    fleet.leap.touch()
    result = drive.wait()
    assert result is not None
    skewed = sorted(result.skew)
    assert LEAP - 2 < skewed[-1] < LEAP + 2
    assert skewed[-2] < 2


def test_a_worker_that_comes_in_the_middle_has_no_part_in_that_load(
    fleet: Fleet, site: PlainSite, load_request: Any
) -> None:
    greetings = fleet.greetings()
    drive = fleet.generator.begin(load_request(window_seconds=3.0, users=MANY))
    fleet.start()
    result = drive.wait()
    assert result is not None
    assert len(result.busy) == EXPECTED
    assert site.served() == len(result.requests) == len(due_by(3.2))
    await_that(lambda: fleet.greetings() > greetings)


def test_a_load_process_of_another_host_that_is_killed_is_named(fleet: Fleet, load_request: Any) -> None:
    drive = fleet.generator.begin(load_request(window_seconds=1.2))
    driving = load_of(fleet.workers[0])
    driving.kill()
    result = drive.wait()
    assert result is not None
    (lost,) = result.lost
    assert re.fullmatch(r"load process \d of 3 on \S+ was ended by SIGKILL", lost)
    assert len(result.busy) == EXPECTED - 1
    assert fleet.run_load(load_request()).lost == ()


def test_lost_workers_are_named_and_new_ones_make_the_next_load_whole(
    fleet: Fleet, site: PlainSite, load_request: Any
) -> None:
    drive = fleet.generator.begin(load_request(window_seconds=2.0, users=MANY))
    loads = [load_of(fleet.workers[number]) for number in (0, 2)]
    fleet.workers[0].kill()
    fleet.workers[2].send_signal(signal.SIGSTOP)
    result = drive.wait()
    assert result is not None
    assert len(result.lost) == 2
    assert all("does not reply any more" in lost for lost in result.lost)
    (kept,) = {1, 2, 3} - {int(lost.split()[2]) for lost in result.lost}
    assert sorted(result.requests.due) == pytest.approx(due_by(2.2)[kept - 1 :: 3], abs=1e-9)
    await_that(lambda: not loads[0].is_running())  # no worker loads for a master that does not know of it
    served = site.served()
    fleet.start()
    whole = fleet.run_load(load_request())
    assert whole.lost == ()
    assert len(whole.requests) == len(due_by(1.2)) == site.served() - served - 1
    fleet.workers[2].send_signal(signal.SIGCONT)


def load_of(worker: subprocess.Popen[bytes]) -> psutil.Process:
    """The process that loads for a worker: a child of its generator."""
    (generator,) = below(worker.pid)
    (load,) = below(generator.pid)
    return load


def test_a_locust_file_that_does_not_load_is_told_with_pythons_error(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "lacks.py").write_text("import no_such_module\n")
    with pytest.raises(EnvironmentFaultError, match="No module named 'no_such_module'"):
        fleet.generator.check_locustfile(tmp_path / "lacks.py", shared=True)


def test_a_worker_without_the_runs_token_is_refused_and_named(fleet: Fleet, site: PlainSite, load_request: Any) -> None:
    wrong = fleet.start(LOADLAB_WORKER_TOKEN="of another run")
    await_that(lambda: "does not have the token of this run" in fleet.generator._log.read_text())
    (line,) = [line for line in fleet.generator._log.read_text().splitlines() if "token of this run" in line]
    assert re.search(r"Load worker \S+ does not have the token of this run\. Set its LOADLAB_WORKER_TOKEN", line)
    await_that(lambda: "The master has another token than this worker. Set LOADLAB_WORKER_TOKEN" in fleet.log())
    assert fleet.run_load(load_request()).lost == ()
    assert [below(generator.pid) for generator in below(wrong.pid)] == [[]]
    wrong.kill()
    assert fleet.generator._program is not None
    arguments = [psutil.Process(pid).cmdline() for pid in (fleet.workers[1].pid, fleet.generator._program.pid)]
    token = token_file(fleet.port).read_text()
    assert token not in str(arguments) + fleet.log() + fleet.generator._log.read_text()
    assert token_file(fleet.port).stat().st_mode & 0o777 == 0o600


def test_nothing_that_a_stranger_sends_ends_a_load(fleet: Fleet, site: PlainSite, load_request: Any) -> None:
    """What is no message, what cannot be understood, words in another's name, and a worker that says no more."""
    drive = fleet.generator.begin(load_request(window_seconds=3.0, users=MANY))
    names = re.findall(r"(\S+) \(index \d+\) reported as ready", fleet.generator._log.read_text())
    stranger = fleet.stranger(
        b"stranger",
        *(b"", b"\xc1", b"\x93\xa1", b"text", msgpack.packb(1), msgpack.packb(["few"])),
        msgpack.packb(["client_ready", -1, "stranger"]),
        *(msgpack.packb([kind, None, "stranger"]) for kind in ("heartbeat", "stats", "logs", "spawning_complete")),
        *(msgpack.packb([kind, {}, "stranger"]) for kind in ("loadlab_answered", "no_such_kind", "spawning")),
    )
    impostor = fleet.stranger(
        b"impostor",
        *(msgpack.packb(["quit", None, name]) for name in names),
        *(msgpack.packb(["loadlab_answered", {"text": b"x", "proof": b"y"}, name]) for name in names),
    )
    nameless = fleet.stranger(b"\xff\xfe", b"text")
    result = drive.wait()
    assert result is not None
    assert result.lost == ()
    assert len(result.requests) == len(due_by(3.2)) == site.served()
    log = fleet.generator._log.read_text()
    assert "stranger sent an unknown message 'heartbeat'" in log
    assert "impostor sent a message in the name of another worker" in log
    assert fleet.run_load(load_request()).lost == ()
    for socket in (stranger, impostor, nameless):
        socket.close()


def test_what_a_locust_file_prints_on_another_host_breaks_nothing(
    fleet: Fleet, site: PlainSite, load_request: Any
) -> None:
    fleet.generator.check_locustfile(HERE / "prints.py", shared=True)
    result = fleet.run_load(load_request(locustfile=str(HERE / "prints.py"), users=3, open_load=None))
    assert result.lost == ()
    assert site.served() - 3 <= len(result.requests) <= site.served()
    assert not sum(result.requests.failed)


@pytest.mark.slow
def test_when_the_master_is_started_anew_its_workers_come_back(fleet: Fleet, load_request: Any) -> None:
    fleet.generator.abandon()
    assert fleet.run_load(load_request()).lost == ()


class Scripted:
    """Stands in for the workers: replies as it was told."""

    def __init__(self, workers: list[str], **answers: Any) -> None:
        self._workers = workers
        self._answers = answers
        self.asked: list[str] = []

    def connected(self) -> list[str]:
        return self._workers

    def call(self, worker: str, method: str, timeout_seconds: float, **data: Any) -> Any:
        self.asked.append(method)
        answer = self._answers[method]
        return answer(**data) if callable(answer) else answer


def test_workers_that_do_not_come_are_waited_for_no_longer_than_said(caplog: pytest.LogCaptureFixture) -> None:
    master: Any = Master(Scripted(["a_1"]), 2, ControlSocket.pair()[0], connect_seconds=0.0)  # type: ignore[arg-type]
    assert master.run_request(LocustfileCheck(locustfile="x.py", shared=True).to_json()) == 1
    assert "1 of 2 load workers were connected" in caplog.text
    assert "python -m loadlab.load.distributed.worker --master-host" in caplog.text


def test_a_worker_of_another_version_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    channel = Scripted(["a_1"], introduce={"host": "a", "version": "0.0.1"})
    master: Any = Master(channel, 1, ControlSocket.pair()[0])  # type: ignore[arg-type]
    assert master.run_request(LocustfileCheck(locustfile="x.py", shared=True).to_json()) == 1
    assert "The load worker on a has loadlab 0.0.1, but this host has" in caplog.text
    assert channel.asked == ["introduce"]


def test_a_result_is_fetched_in_pieces_and_a_damaged_one_is_refused(load_request: Any, tmp_path: Path) -> None:
    text = bytes(range(256)) * 40
    sound = hashlib.sha256(text).hexdigest()
    for sha256, fault in ((sound, ""), ("0" * 64, "damaged")):
        channel = Scripted(
            ["a_1"],
            prepare={},
            time={"at": 1.0},
            end={"size": len(text), "sha256": sha256},
            read=lambda offset: {"piece": text[offset : offset + 1000]},
        )
        handle = WorkerHandle(channel, load_request(), 1, "a_1")  # type: ignore[arg-type]
        handle.prepare()
        if fault:
            with pytest.raises(WorkerLostError, match=fault):
                handle.finish()
        else:
            handle.finish()
            assert (tmp_path / "result.1").read_bytes() == text
            assert channel.asked.count("read") == 11
