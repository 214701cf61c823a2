"""A family's members: one module is one member, named after its file."""

from __future__ import annotations

import importlib.util
import pkgutil
from typing import TYPE_CHECKING, Generic, TypeVar

from loadlab.model.once import Once

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


def member_names(package: str) -> list[str]:
    """The names of a family's members; nothing of it is imported."""
    spec = importlib.util.find_spec(package)
    path = spec.submodule_search_locations if spec else None
    names = (module.name for module in pkgutil.iter_modules(path or []) if not module.ispkg)
    return [name for name in sorted(names) if name != "base" and not name.startswith("_")]


def member_name(member: object) -> str:
    """Of what a member of a family has been made: the name of its file."""
    return type(member).__module__.rpartition(".")[2]


class Family(Generic[T]):
    """The members of one package, each a class derived from `base`; `noun` is what people call one of them.

    A module whose name starts with an underscore, or that is called `base`, is part of the family's own
    machinery and holds no member.

    Raises:
        TypeError: a module holds no member, or more than one.
        KeyError: `family[name]` with an unknown name.
    """

    def __init__(self, package: str, base: type[T], noun: str = "member") -> None:
        self.noun = noun
        self._package = package
        self._base = base
        self._known: dict[str, type[T]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __getitem__(self, name: str) -> type[T]:
        if name not in self._known:
            if name not in self._names:
                raise KeyError(name)
            self._known[name] = self._only_member(f"{self._package}.{name}")
        return self._known[name]

    @Once
    def _names(self) -> list[str]:
        return member_names(self._package)

    def _only_member(self, module_name: str) -> type[T]:
        module = importlib.import_module(module_name)
        members = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, self._base) and value.__module__ == module_name
        ]
        if len(members) != 1:
            raise TypeError(f"{module_name} must define exactly one {self._base.__name__}, not {len(members)}")
        return members[0]
