"""A family: one module is one member; anything else in its package is refused or ignored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from every import every

from loadlab.claims import CLAIMS
from loadlab.fleet.events import EVENTS
from loadlab.fleet.traffic import TRAFFICS
from loadlab.leak_causes import LEAK_CAUSES
from loadlab.probes import PROBES
from loadlab.registry import Family
from loadlab.report import REPORTS
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FAMILIES = {
    "servers": SERVERS,
    "workers": WORKERS,
    "strategies": STRATEGIES,
    "probes": PROBES,
    "reports": REPORTS,
    "cases": CLAIMS,
    "traffic": TRAFFICS,
    "events": EVENTS,
    "causes of leaks": LEAK_CAUSES,
}


class Animal:
    """The base of the families that are written for these tests."""


IMPORT = f"from {__name__} import Animal\n"
DOG = f"{IMPORT}class Dog(Animal): ...\n"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Family[Animal]]]:
    """Writes a package of the given modules and makes a family of it."""

    def written(**modules: str) -> Family[Animal]:
        package = tmp_path / "zoo"
        package.mkdir()
        (package / "__init__.py").touch()
        for name, text in modules.items():
            (package / f"{name}.py").write_text(text)
        return Family("zoo", Animal)

    monkeypatch.syspath_prepend(tmp_path)
    yield written
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo"]:
        del sys.modules[name]


@every("name", FAMILIES)
def test_every_member_of_a_family_is_the_one_class_of_its_module(name: str) -> None:
    family = FAMILIES[name]
    members = {member: family[member] for member in family}
    assert len(members) == len(set(members.values())) >= 1
    for member, kind in members.items():
        assert kind.__module__.rpartition(".")[2] == member
        assert (kind.__doc__ or "").strip()
        assert not getattr(kind, "__abstractmethods__", None)


@every("name", FAMILIES)
def test_an_unknown_name_is_a_key_error(name: str) -> None:
    for unknown in ("nonesuch", "base", "_gunicorn", "__init__"):
        assert unknown not in list(FAMILIES[name])
        with pytest.raises(KeyError, match=unknown):
            FAMILIES[name][unknown]


def test_a_new_module_is_a_new_member(zoo: Callable[..., Family[Animal]]) -> None:
    family = zoo(dog=DOG, cat=DOG.replace("Dog", "Cat"))
    assert list(family) == ["cat", "dog"]
    assert family["dog"].__name__ == "Dog"


def test_a_module_without_a_member_is_refused(zoo: Callable[..., Family[Animal]]) -> None:
    with pytest.raises(TypeError, match=r"zoo\.stone must define exactly one Animal, not 0"):
        zoo(stone="class Stone: ...\n")["stone"]


def test_a_module_with_two_members_is_refused(zoo: Callable[..., Family[Animal]]) -> None:
    with pytest.raises(TypeError, match=r"zoo\.dogs must define exactly one Animal, not 2"):
        zoo(dogs=DOG + "class Puppy(Dog): ...\n")["dogs"]


def test_what_a_module_imports_is_not_its_member(zoo: Callable[..., Family[Animal]]) -> None:
    family = zoo(dog=DOG, puppy="from zoo.dog import Dog\nclass Puppy(Dog): ...\n", thief="from zoo.dog import Dog\n")
    assert family["puppy"].__name__ == "Puppy"
    with pytest.raises(TypeError, match=r"zoo\.thief must define exactly one Animal, not 0"):
        family["thief"]


def test_the_base_and_underscored_modules_are_machinery_and_no_members(zoo: Callable[..., Family[Animal]]) -> None:
    assert list(zoo(base="", _fur="", dog=DOG)) == ["dog"]
