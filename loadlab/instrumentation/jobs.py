"""Names the function that a thread was started for, as far as its stack tells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading
    from types import FrameType

# What calls the project's code and is not it, beside Python and this package: Django, and agents around all calls.
_PASSING: Final = frozenset(
    {"asgiref", "ddtrace", "django", "elasticapm", "gevent", "newrelic", "opentelemetry", "sentry_sdk", "wrapt"}
)
_OURS: Final = "loadlab.instrumentation."


def job() -> str:
    """The outermost function of the caller's stack that is the project's or a library's; "" where there is none."""
    name = ""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        package = module.partition(".")[0]
        if package not in _PASSING and package not in sys.stdlib_module_names and not module.startswith(_OURS):
            name = f"{module}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return name


def is_executors(thread: threading.Thread | None) -> bool:
    """Whether it is one of a ThreadPoolExecutor's."""
    executors = sys.modules.get("concurrent.futures.thread")
    work = getattr(executors, "_worker", None)
    return work is not None and getattr(thread, "_target", None) is work
