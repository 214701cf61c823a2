"""Which pages of a project can be asked for: the routes without arguments whose views answer GET."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def routes() -> list[str]:
    """The shallowest first, the apps of a depth taking turns: the first of them are a picture of the whole site."""
    found = dict(_routes(get_resolver().url_patterns, "/"))
    found.update(_home())
    return in_turns(found)


def in_turns(found: Mapping[str, str]) -> list[str]:
    """Paths, given with the app that answers each, in that order.

    >>> in_turns({"/b/": "one", "/c/d/": "one", "/": "one", "/a/": "one", "/z/": "two"})
    ['/', '/a/', '/z/', '/b/', '/c/d/']
    """
    ranked: list[tuple[int, int, str, str]] = []
    for depth, level in groupby(sorted(found, key=lambda path: (_depth(path), found[path], path)), key=_depth):
        for app, paths in groupby(level, key=found.__getitem__):
            ranked += [(depth, turn, app, path) for turn, path in enumerate(paths)]
    return [path for *_, path in sorted(ranked)]


def _depth(path: str) -> int:
    return len([part for part in path.split("/") if part])


def _routes(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        with suppress(ImproperlyConfigured):
            path = _plain(pattern, prefix)
            if path is None:
                continue
            if isinstance(pattern, URLResolver):
                yield from _routes(pattern.url_patterns, path)
            elif answers_get(pattern.callback):
                yield path, _app(pattern.callback)


def _home() -> Iterator[tuple[str, str]]:
    """The site's front page, which a catch-all pattern may serve (a CMS has no other way to its pages)."""
    with suppress(Resolver404, ImproperlyConfigured):
        if answers_get(view := resolve("/").func):
            yield "/", _app(view)


def _plain(pattern: URLPattern | URLResolver, prefix: str) -> str | None:
    """The path of a pattern that is a plain text; None for those with arguments in them."""
    text = str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
    text = text.replace(r"\.", ".").replace(r"\-", "-").replace(r"\/", "/")
    return None if any(sign in text for sign in "<>()[]\\*+?|{}^$") else prefix + text


def _app(view: Any) -> str:  # noqa: ANN401  any callable
    """The app that a view belongs to; of a view that belongs to none, the package that it is in."""
    kind = _kind(view) or _function(view)
    module = str(getattr(kind, "__module__", ""))
    config = apps.get_containing_app_config(module)
    return str(config.label) if config else module.partition(".")[0]


def _function(view: Any) -> Any:  # noqa: ANN401
    while isinstance(view, partial):
        view = view.func
    return view


def _kind(view: Any) -> Any:  # noqa: ANN401
    """The class of a class-based view: as Django notes it, or as Django REST framework does; None of a function."""
    for layer in _layers(view):
        kind = getattr(layer, "view_class", None) or getattr(layer, "cls", None)
        if kind is not None:
            return kind
    return None


def _layers(view: Any) -> Iterator[Any]:  # noqa: ANN401
    """A view, and what its decorators have wrapped."""
    seen: set[int] = set()
    while view is not None and id(view) not in seen:
        seen.add(id(view))
        yield view
        view = view.func if isinstance(view, partial) else getattr(view, "__wrapped__", None)


def answers_get(view: Any) -> bool:  # noqa: ANN401  any callable
    """Whether a view takes GET, as far as its class and its decorators say."""
    return all(_takes_get(layer) for layer in _layers(view))


def _takes_get(layer: Any) -> bool:  # noqa: ANN401
    """Of one layer of a view: GET is among the methods that it names, if it names any."""
    methods = _required(layer)
    if methods is not None and "GET" not in methods:
        return False
    # Of a viewset: which of its methods answers which of HTTP's.
    actions = getattr(layer, "actions", None)
    actions = actions if isinstance(actions, dict) else {}
    if actions and "get" not in actions:
        return False
    kind = getattr(layer, "view_class", None) or getattr(layer, "cls", None)
    if kind is None:
        return True
    given = getattr(layer, "view_initkwargs", None) or getattr(layer, "initkwargs", None) or {}
    names = given.get("http_method_names", getattr(kind, "http_method_names", ("get",)))
    return "get" in [name.lower() for name in names] and bool(actions or hasattr(kind, "get"))


def _required(layer: Any) -> Iterable[str] | None:  # noqa: ANN401
    """What django.views.decorators.http lets through, which only the decorator's own closure knows."""
    code, closure = getattr(layer, "__code__", None), getattr(layer, "__closure__", None)
    if code is None or not closure or "request_method_list" not in code.co_freevars:
        return None
    with suppress(ValueError):  # a cell that is empty
        methods: Iterable[str] = closure[code.co_freevars.index("request_method_list")].cell_contents
        return methods
    return None
