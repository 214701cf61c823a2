"""A member of a family with its parameters: which server mode, or which strategy."""

from __future__ import annotations

from dataclasses import dataclass, field

Scalar = bool | int | float | str | None


def spell(value: Scalar) -> str:
    """A parameter's value as case ids and reports write it.

    >>> spell(None), spell(True), spell(60.0), spell(0.5)
    ('none', 'on', '60', '0.5')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class _Hashed:
    """Holds a hash that has been computed: thousands of trials are looked up by their case, and so by its configs."""

    __slots__ = ("_hash",)
    _hash: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(_Hashed):
    """A member of a family with every parameter given, e.g. gthread with workers=2 and threads=4.

    >>> len({Config(name="pool", parameters={"max_size": size}) for size in (4, 4.0, 8)})
    2
    """

    name: str
    parameters: dict[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.spelt(self.parameters)

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            object.__setattr__(self, "_hash", hash((self.name, frozenset(self.parameters.items()))))
            return self._hash

    def spelt(self, parameters: dict[str, Scalar]) -> str:
        """As ids spell it, with these parameters alone.

        A parameter that its member is named after says both at once: "max_age=60", not "max_age,max_age=60".
        """
        pairs = [f"{key}={spell(value)}" for key, value in parameters.items()]
        return ",".join(pairs if self.name in parameters else [self.name, *pairs])

    def without(self, *parameters: str) -> Config:
        """The same member with all parameters but these."""
        kept = {key: value for key, value in self.parameters.items() if key not in parameters}
        return Config(name=self.name, parameters=kept)
