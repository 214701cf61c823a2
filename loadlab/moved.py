"""Names that users' files import by an older path: each is the same module under both names.

Locust files, settings and gunicorn configurations outlive a release of loadlab. They go on working, and the
documentation shows the new path only.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec

# Not of `typing`, nor more of importlib: until this module is imported, Ctrl-C at the start of a command is Python's.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import InspectLoader, Loader
    from types import CodeType, ModuleType
    from typing import Final

# A package includes everything below it.
MOVED: Final = {
    "loadlab.cures": "loadlab.fixes",
    "loadlab.overlay": "loadlab.settings_override",
    "loadlab.target": "loadlab.sample_app",
    "loadlab.load.lean_user": "loadlab.load.http.lean_user",
    "loadlab.load.lean_response": "loadlab.load.http.lean_response",
    "loadlab.load.http_faults": "loadlab.load.http.errors",
    "loadlab.load.worker": "loadlab.load.distributed.worker",
    "loadlab.load.pacing": "loadlab.load.locust_plugins.open_user",
    **{
        f"loadlab.load.{name}": f"loadlab.load.locust_plugins.{name}"
        for name in (
            "exact_downloads",
            "exact_percentiles",
            "latency_log",
            "options",
            "shape",
            "staircase",
            "user",
            "web",
        )
    },
}


def present_name(name: str) -> str | None:
    """What a module of an older name is called now; None if it has not moved.

    >>> present_name("loadlab.cures.leased_threads"), present_name("loadlab.fixes")
    ('loadlab.fixes.leased_threads', None)
    """
    for old, new in MOVED.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return None


def _spec_of(name: str) -> ModuleSpec | None:
    import importlib.util  # noqa: PLC0415  see above

    return importlib.util.find_spec(name)


class _Loader:  # not of importlib.abc, which every process of a target would import
    """Loads the module of the new name; there is one module, by whichever name it was first imported."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """The module has run already: it gets its own spec back, which importlib has just replaced."""
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> CodeType | None:
        """For `python -m`."""
        loader = self._loader()
        return loader.get_code(self._name) if loader else None

    def get_source(self, fullname: str) -> str | None:
        loader = self._loader()
        return loader.get_source(self._name) if loader else None

    def _loader(self) -> InspectLoader | None:
        found = _spec_of(self._name)
        return found.loader if found else None  # type: ignore[return-value]  # of a file


class _Finder:
    """Comes first, or a moved package's own folder would give a second copy of each of its modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = present_name(fullname) if fullname.startswith("loadlab.") else None
        found = _spec_of(new) if new else None
        if new is None or found is None:
            return None
        loader: Loader = _Loader(new)  # type: ignore[assignment]  # as one in all but its class
        spec = ModuleSpec(fullname, loader, origin=found.origin)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec


def install() -> None:
    """Have older names found, from now on."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
