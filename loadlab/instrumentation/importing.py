"""Calls back once a module has been imported, and imports nothing itself: a library that is not used costs nothing."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Call = Callable[[ModuleType], None]


class _Finder:  # not of importlib.abc, which every process of a site would import
    """Comes first of all finders, has the others find the module, and adds the call to what its loader does."""

    def __init__(self) -> None:
        self.awaited: dict[str, Call] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        call = self.awaited.get(fullname)
        if call is None:
            return None
        others = (one for one in sys.meta_path if one is not self and hasattr(one, "find_spec"))
        spec = next(filter(None, (one.find_spec(fullname, path, target) for one in others)), None)
        if spec is not None and spec.loader is not None:
            with suppress(AttributeError):  # a loader that allows no change: its module is not noticed
                self._add_call(spec.loader, fullname, call)
        return spec

    def _add_call(self, loader: Any, name: str, call: Call) -> None:  # noqa: ANN401  any loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == name and self.awaited.pop(name, None) is not None:
                _make(call, sys.modules.get(name, module))  # a module may put another in its place

        loader.exec_module = exec_module


def _make(call: Call, module: ModuleType) -> None:
    try:
        call(module)
    except Exception:  # the import is the project's, and must not fail for this
        logging.getLogger("loadlab").exception("The units of work of %s are not counted:", module.__name__)


_finder: Final = _Finder()


def when_imported(name: str, call: Call) -> None:
    """Call with the module: now if it has been imported, else when it is."""
    module = sys.modules.get(name)
    if module is not None:
        _make(call, module)
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    _finder.awaited[name] = call
