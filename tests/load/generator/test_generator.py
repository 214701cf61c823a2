"""Loads as the lab requests them: open and closed, from one process and from several, some of which are lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from family import below
from patience import PATIENCE_SECONDS
from sites import PlainSite, plain_site, usual_request

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.generator import Generator
from loadlab.load.generator.contract import NO_RESULT, LoadRequest, LoadResult, merged, parse_request
from loadlab.load.generator.recorder import NO_ANSWER, OLD_SECONDS
from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.model.condition import OpenLoad
from loadlab.model.requests import Requests
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

HERE = Path(__file__).parents[1]
DRAIN_SECONDS = 2.0  # as hangs_later.py sets it
POISSON = OpenLoad(rate=150.0, arrivals="poisson")
STALL_SECONDS = 1.0


@pytest.fixture
def site() -> Iterator[PlainSite]:
    with plain_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generator]:
    with (
        Register.opened() as register,
        Generator(register, tmp_path_factory.mktemp("log") / "locust.log") as started,
    ):
        yield started


@pytest.fixture
def load_request(site: PlainSite, tmp_path: Path) -> Any:
    return partial(usual_request, site, tmp_path)


def carried_out(generator: Generator, load_request: LoadRequest) -> LoadResult:
    result = generator.begin(load_request).wait()
    assert result is not None
    return result


def stall(pid: int, begin: float) -> threading.Thread:
    """Stop a process for a second, from that monotonic instant on."""

    def work() -> None:
        time.sleep(max(0.0, begin - time.monotonic()))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(STALL_SECONDS)
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def slow_ones(generator: Generator, site: PlainSite, load_request: LoadRequest, slow_seconds: float) -> int:
    """How many requests of a load took so long, while the server stands still for a second in the middle of it."""
    drive = generator.begin(load_request)
    stalling = stall(site.pid, drive.started + load_request.warmup_seconds + 0.5)
    result = drive.wait()
    stalling.join()
    assert result is not None
    assert not sum(result.requests.failed)
    return int((np.asarray(result.requests.response) >= slow_seconds).sum())


def test_a_server_stall_shows_in_the_response_times_of_an_open_load(
    generator: Generator, site: PlainSite, load_request: Any
) -> None:
    # In the first 0.75 s of the stall some 112 requests are due, each of which waits for 0.25 s at least.
    asked = load_request(users=400, window_seconds=2.5, open_load=POISSON)
    assert slow_ones(generator, site, asked, STALL_SECONDS / 4) >= 70


def test_a_closed_load_hides_it_each_user_waits_once(generator: Generator, site: PlainSite, load_request: Any) -> None:
    # Longer than what a busy machine alone makes slow.
    assert 1 <= slow_ones(generator, site, load_request(users=8, window_seconds=2.5), 0.9 * STALL_SECONDS) <= 2 * 8


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("keep_alive", [True, False])
def test_the_result_holds_every_request_that_the_server_had(
    generator: Generator, site: PlainSite, load_request: Any, processes: int, *, keep_alive: bool
) -> None:
    asked = load_request(users=300, keep_alive=keep_alive, open_load=POISSON, processes=processes)
    result = carried_out(generator, asked)
    due = list(takewhile(lambda instant: instant < 1.2, arrivals(POISSON, 7)))
    assert site.served() == len(result.requests) == len(due)
    assert sorted(result.requests.due) == pytest.approx(due, abs=1e-9)
    assert list(result.requests.ended) == sorted(result.requests.ended)
    assert not result.requests.dropped
    assert len(result.busy) == processes
    assert not any(Path(asked.result).parent.iterdir())


def test_the_users_of_a_closed_load_are_shared_out(generator: Generator, site: PlainSite, load_request: Any) -> None:
    result = carried_out(generator, load_request(users=5, processes=3))
    assert len(result.busy) == 3
    # What is under way when the users are stopped has reached the server, and is no observation.
    assert site.served() - 5 <= len(result.requests) <= site.served()


def test_a_killed_load_process_is_named_and_other_results_are_kept(
    generator: Generator, site: PlainSite, load_request: Any
) -> None:
    # More users than arrivals: on the busiest machine none is dropped.
    drive = generator.begin(load_request(users=400, window_seconds=2.0, open_load=POISSON, processes=3))
    processes = below(drive.pid)
    assert len(processes) == 3
    processes[1].kill()
    result = drive.wait()
    assert result is not None
    assert result.lost == ("load process 2 of 3 was ended by SIGKILL",)
    assert len(result.busy) == 2
    due = list(takewhile(lambda instant: instant < 2.2, arrivals(POISSON, 7)))
    assert sorted(result.requests.due) == pytest.approx(sorted(due[0::3] + due[2::3]), abs=1e-9)
    assert gone(processes)


def test_a_load_process_that_dies_before_the_start_stops_no_other(
    generator: Generator, load_request: Any, tmp_path: Path
) -> None:
    first = tmp_path / "first"
    locustfile = tmp_path / "dies_first.py"
    locustfile.write_text(
        "import os, contextlib\n"
        "with contextlib.suppress(FileExistsError):\n"
        f"    os.open({str(first)!r}, os.O_CREAT | os.O_EXCL)\n"
        "    os.kill(os.getpid(), 9)\n" + (HERE / "asks_once.py").read_text()
    )
    result = carried_out(generator, load_request(locustfile=str(locustfile), processes=3))
    assert len(result.lost) == 1
    assert "was ended by SIGKILL" in result.lost[0]
    assert len(result.busy) == 2
    assert result.requests.ended


def test_when_all_are_killed_the_result_is_empty_and_names_them(generator: Generator, load_request: Any) -> None:
    drive = generator.begin(load_request(window_seconds=30.0, processes=2))
    for process in below(drive.pid):
        process.kill()
    result = drive.wait()
    assert result is not None
    assert len(result.lost) == 2
    assert not result.requests.ended


def test_when_their_leader_is_killed_the_load_processes_end_with_it(generator: Generator, load_request: Any) -> None:
    drive = generator.begin(load_request(window_seconds=30.0, processes=2))
    leader = psutil.Process(drive.pid)
    processes = below(drive.pid)
    leader.kill()
    assert drive.wait() is None
    assert gone(processes)


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, PATIENCE_SECONDS)[1]


def test_a_load_that_gets_ready_in_no_process_does_not_start(generator: Generator, load_request: Any) -> None:
    with pytest.raises(EnvironmentFaultError, match="did not start"):
        generator.begin(load_request(locustfile=str(HERE / "sites.py"), processes=2))


def test_a_shape_is_refused_where_the_load_is_shared_out_or_open(generator: Generator) -> None:
    with pytest.raises(EnvironmentFaultError, match="has a LoadTestShape"):
        generator.check_locustfile(HERE / "shaped.py", shared=True)
    generator.check_locustfile(HERE / "shaped.py")
    generator.check_locustfile(HERE / "asks_once.py", shared=True)


def test_an_order_survives_its_way_to_the_generator(load_request: Any) -> None:
    for one in (load_request(), load_request(open_load=POISSON, processes=4)):
        assert parse_request(one.to_json()) == one


def test_the_users_of_all_load_processes_are_those_of_the_order(load_request: Any) -> None:
    for users in range(4, 40):
        shares = [load_request(users=users, processes=4).users_of(number) for number in range(4)]
        assert sum(shares) == users
        assert max(shares) - min(shares) <= 1


def test_merged_results_keep_every_request_in_order_of_completion() -> None:
    def seen(ended: list[float], failures: dict[str, int]) -> LoadResult:
        return LoadResult(
            requests=Requests(
                ended=ended,
                response=[one / 10 for one in ended],
                failed=[0.0] * len(ended),
                due=[one - 0.5 for one in ended],
                sent=[one - 0.4 for one in ended],
                dropped=[max(ended)],
            ),
            failures=failures,
            examples=dict.fromkeys(failures, "boom"),
            statuses={kind: int(kind[-3:]) for kind in failures},
            busy=(0.5,),
        )

    both = merged([seen([1.0, 3.0], {"HTTP 500": 2}), seen([0.5, 2.0, 4.0], {"HTTP 500": 1, "HTTP 404": 1})])
    assert list(both.requests.ended) == [0.5, 1.0, 2.0, 3.0, 4.0]
    assert list(both.requests.response) == [0.05, 0.1, 0.2, 0.3, 0.4]
    assert list(both.requests.due) == [0.0, 0.5, 1.5, 2.5, 3.5]
    assert list(both.requests.dropped) == [3.0, 4.0]
    assert both.failures == {"HTTP 500": 3, "HTTP 404": 1}
    assert both.statuses == {"HTTP 500": 500, "HTTP 404": 404}
    assert both.busy == (0.5, 0.5)
    assert LoadResult.from_json(both.to_json()) == both


@pytest.mark.parametrize("processes", [1, 2])
def test_requests_that_a_closed_load_leaves_unanswered_are_failures(
    generator: Generator, load_request: Any, processes: int
) -> None:
    asked = load_request(
        locustfile=str(HERE / "hangs.py"), users=7 * processes, window_seconds=2.5, processes=processes
    )
    result = carried_out(generator, asked)
    hung = np.asarray(result.requests.no_answer, dtype=int)
    assert result.failures == {NO_ANSWER: 4 * processes}
    assert hung.size == sum(result.requests.failed) == 4 * processes
    assert np.asarray(result.requests.failed)[hung].all()
    assert (np.asarray(result.requests.response)[hung] > OLD_SECONDS).all()
    assert result.requests.under_way <= processes
    assert list(result.requests.ended) == sorted(result.requests.ended)
    assert "s when the load ended" in result.examples[NO_ANSWER]


def test_later_requests_of_a_task_that_hang_are_failures_of_an_open_load(
    generator: Generator, load_request: Any
) -> None:
    slow = OpenLoad(rate=4.0, arrivals="uniform")
    result = carried_out(generator, load_request(locustfile=str(HERE / "hangs_later.py"), open_load=slow))
    hung = np.asarray(result.requests.no_answer, dtype=int)
    first = np.flatnonzero(~np.isnan(np.asarray(result.requests.due)))
    assert hung.size == first.size > 0
    assert np.isnan(np.asarray(result.requests.due)[hung]).all()
    assert (np.asarray(result.requests.response)[hung] >= DRAIN_SECONDS / 2).all()
    assert result.failures == {NO_ANSWER: sum(0.2 <= result.requests.sent[number] < 1.2 for number in hung)}


def test_indexes_of_requests_without_answer_survive_merging() -> None:
    def seen(ended: list[float], no_answer: list[float]) -> LoadResult:
        failed = [float(number in no_answer) for number in range(len(ended))]
        requests = Requests(ended=ended, response=ended, failed=failed, no_answer=no_answer, under_way=1)
        return replace(NO_RESULT, requests=requests)

    both = merged([seen([1.0, 4.0, 2.0], [1.0]), seen([0.5, 3.0], [0.0, 1.0])])
    assert list(both.requests.ended) == [0.5, 1.0, 2.0, 3.0, 4.0]
    assert list(both.requests.no_answer) == [0.0, 3.0, 4.0]
    assert [both.requests.failed[int(number)] for number in both.requests.no_answer] == [1.0] * 3
    assert both.requests.under_way == 2
    assert list(merged([seen([2.0, 1.0], [0.0])]).requests.no_answer) == [1.0]
    assert list(LoadResult.from_json(both.to_json()).requests.no_answer) == list(both.requests.no_answer)


def test_a_user_class_without_a_task_is_found_before_the_first_trial(generator: Generator) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"Idle has no task\. Put @task before a method"):
        generator.check_locustfile(HERE / "idle.py")


def test_a_task_that_always_raises_is_told_of_and_does_not_fill_the_log(
    generator: Generator, load_request: Any
) -> None:
    result = carried_out(generator, load_request(locustfile=str(HERE / "raises.py")))
    requests = len(result.requests)
    assert requests > 5
    assert sum(result.requests.failed) == 0
    assert 0 < result.failures["KeyError raised by a task"] <= requests
    assert 0 < generator._log.read_text().count("KeyError: 'id'") <= 5


PRINTED = (
    "printed while loading",
    "written to descriptor 1",
    "put by C",
    "echoed by a child",
    "printed by a fork",
    "printed by a listener",
    "logged to standard output",
    "printed by on_start",
    "status 200",
)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_locust_file_prints_goes_to_the_log(
    generator: Generator, site: PlainSite, load_request: Any, processes: int
) -> None:
    before = len(generator._log.read_text())
    generator.check_locustfile(HERE / "prints.py", shared=True)
    result = carried_out(generator, load_request(locustfile=str(HERE / "prints.py"), users=2, processes=processes))
    assert result.requests.ended
    assert site.served() - 2 <= len(result.requests) <= site.served()
    assert not sum(result.requests.failed)
    assert not result.failures
    log = generator._log.read_text()[before:]
    assert [text for text in PRINTED if text not in log] == []


def test_a_locust_file_that_reads_standard_input_finds_its_end(
    generator: Generator, load_request: Any, tmp_path: Path
) -> None:
    locustfile = tmp_path / "asks.py"
    locustfile.write_text(f"name = input('Your name? ')\n{(HERE / 'asks_once.py').read_text()}")
    with pytest.raises(EnvironmentFaultError, match="EOFError: EOF when reading a line"):
        generator.check_locustfile(locustfile)
    assert carried_out(generator, load_request()).requests.ended
