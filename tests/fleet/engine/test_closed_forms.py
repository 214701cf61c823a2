"""The exact engine agrees with theory, where there is one.

All seeds are fixed. A tolerance is 5 standard errors: by chance, one in 1.7 million such comparisons fails.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.analysis.closed_forms import reuse, under_way
from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import Application, DatabaseLimits, Distribution

STANDARD_ERRORS = 5
EXPONENTIAL = tuple((-np.log(1 - (np.arange(20_000) + 0.5) / 20_000)).tolist())  # of mean 1


def within(measured: float, expected: float, standard_error: float) -> None:
    assert measured == pytest.approx(expected, abs=STANDARD_ERRORS * standard_error)


@every(("rate", "age"), [(0.5, 1.0), (5.0, 0.5), (20.0, 2.0), (3.0, 0.0)])
def test_one_thread_reuses_as_theory_says(rate: float, age: float) -> None:
    """A connection opens at a request's start, and serves those that start before its age: Poisson, rate x age.

    Django's check at a request's end closes a connection only where the next start would find it expired as well, so
    with short requests the share is exactly rate x age / (1 + rate x age).
    """
    simulated = simulate(
        a_keeping(max_age=age),
        an_application(hold=1e-9, connect=0.0),
        a_scene(rate=rate, seconds=20_000 / rate),
        np.array([20_000 / rate]),
        np.random.default_rng(1),
    )
    opened = int(simulated.opened[-1])

    within(simulated.reused / opened, rate * age, math.sqrt(rate * age / opened))
    share = reuse(rate, age)
    within(simulated.reused / simulated.requests, share, math.sqrt(rate * age / opened) * (1 - share) ** 2)


@every(("rate", "age"), [(0.5, 1.0), (5.0, 0.5)])
def test_one_thread_closes_at_the_first_request_after_the_age(rate: float, age: float) -> None:
    """That is, on average the age plus 1 / rate later: between requests nothing closes it."""
    simulated = simulate(
        a_keeping(max_age=age),
        an_application(hold=1e-9, connect=0.0),
        a_scene(rate=rate, seconds=20_000 / rate),
        np.linspace(100 / rate, 20_000 / rate, 100),
        np.random.default_rng(2),
    )

    assert simulated.ages.min() >= age
    within(float(simulated.ages.mean()), age + 1 / rate, 1 / rate / math.sqrt(len(simulated.ages)))
    assert (simulated.open == 1).all()


def test_open_connections_at_age_0_are_requests_under_way() -> None:
    """M/G/infinity: Poisson-distributed around rate x time, however the times are distributed."""
    application = Application(
        hold_seconds=Distribution(values=(0.05, 0.05, 0.6)),
        connect_seconds=Distribution(values=(0.01,)),
        spreads=an_application().spreads,
    )
    times = application.hold_seconds.draw(np.random.default_rng(3), 100_000) + 0.01
    rate, seconds = 20.0, 1000.0
    simulated = simulate(
        a_keeping(keeper="request", threads=None),
        application,
        a_scene(rate=rate, seconds=seconds),
        np.arange(5, seconds, 0.05),
        np.random.default_rng(4),
    )
    mean = under_way(rate, float(times.mean()))

    within(float(simulated.open.mean()), mean, math.sqrt(rate * float((times**2).mean()) / seconds))
    assert float(simulated.open.var()) == pytest.approx(mean, rel=0.15)


def test_refusals_follow_erlangs_loss_formula() -> None:
    """M/G/c/c: a request that finds all of PostgreSQL's places taken is refused."""
    rate, hold, places = 40.0, 0.2, 10
    blocks = [
        simulate(
            a_keeping(keeper="request", threads=None),
            an_application(hold=hold, connect=0.0),
            a_scene(rate=rate, seconds=200, database=DatabaseLimits(max_connections=places, reserved=0)),
            np.array([200.0]),
            np.random.default_rng(seed),
        )
        for seed in range(20)
    ]
    shares = np.array([block.refused / block.requests for block in blocks])

    offered = rate * hold
    terms = [offered**each / math.factorial(each) for each in range(places + 1)]
    within(float(shares.mean()), terms[-1] / sum(terms), float(shares.std(ddof=1)) / math.sqrt(len(shares)))


def test_waiting_for_threads_follows_erlangs_delay_formula() -> None:
    """M/M/c: so many requests wait, and for so long."""
    rate, threads, mean_hold = 30.0, 5, 0.125
    application = Application(
        hold_seconds=Distribution(values=tuple(mean_hold * each for each in EXPONENTIAL)),
        connect_seconds=Distribution(values=(0.0,)),
        spreads=an_application().spreads,
    )
    blocks = [
        simulate(
            a_keeping(threads=threads, max_age=None),
            application,
            a_scene(rate=rate, seconds=400),
            np.array([400.0]),
            np.random.default_rng(seed),
        )
        for seed in range(20)
    ]
    shares = np.array([block.waited / block.requests for block in blocks])
    waits = np.array([block.waiting_seconds / block.requests for block in blocks])

    offered = rate * mean_hold
    last = offered**threads / math.factorial(threads) * threads / (threads - offered)
    waiting = last / (sum(offered**each / math.factorial(each) for each in range(threads)) + last)
    within(float(shares.mean()), waiting, float(shares.std(ddof=1)) / math.sqrt(20))
    within(
        float(waits.mean()),
        waiting * mean_hold / (threads - offered),
        float(waits.std(ddof=1)) / math.sqrt(20),
    )
