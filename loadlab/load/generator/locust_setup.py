"""Sets Locust up as its own command line would."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from locust import events
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile

from loadlab.load.locust_plugins.open_user import opened
from loadlab.load.locust_plugins.user import with_keep_alive_option

if TYPE_CHECKING:
    from locust import LoadTestShape, User
    from locust.runners import Runner

    from loadlab.load.generator.contract import LoadRequest, LocustfileCheck
    from loadlab.load.generator.recorder import Recorder
    from loadlab.load.locust_plugins.pacing import Pacer

# These log each exception of a task, with its traceback.
NOISY_LOGGERS: Final = ("locust.user.task", "loadlab.load.locust_plugins.open_user")
MOST_ERRORS: Final = 5


def environment(request: LoadRequest, pacer: Pacer | None = None) -> Environment:
    """Locust as its own command line would set it up for this locustfile; its users paced, if there is a pacer."""
    # First the file, as Locust does: it may add its own options.
    users, shapes = load_users(request.locustfile)
    keep_alive = "on" if request.keep_alive else "off"
    options = get_parser(default_config_files=()).parse_args(
        ["--headless", "--host", request.host, "--client-keep-alive", keep_alive]
    )
    # For shapes, which are asked once a second and so end with the load; the option itself knows no fractions.
    options.num_users, options.run_time = request.users, request.window.end
    classes = [with_keep_alive_option(user) for user in users.values()]
    return Environment(
        locustfile=Path(request.locustfile).name,
        user_classes=[opened(user, pacer) for user in classes] if pacer else classes,
        shape_class=shapes[0] if shapes else None,
        host=request.host,
        parsed_options=options,
        events=events,
    )


def load_users(locustfile: str) -> tuple[dict[str, type[User]], list[LoadTestShape]]:
    users, shapes = load_locustfile(locustfile)
    if not users:
        raise ValueError(f"{locustfile} has no user class. Derive one from locust.FastHttpUser and give it a task")
    idle = [name for name, user in users.items() if not user.tasks and not hasattr(user, "task")]
    if idle:
        raise ValueError(
            f"{locustfile}: {' and '.join(idle)} has no task. Put @task before a method, or set abstract = True"
        )
    return users, shapes


def check_locustfile(check: LocustfileCheck) -> None:
    """Load a locustfile, and see whether its load can be shared out."""
    shapes = load_users(check.locustfile)[1]
    if shapes and check.shared:
        raise ValueError(
            f"{check.locustfile} has a LoadTestShape, which sets the number of users itself. Remove the shape, or"
            " use a closed load with one load process"
        )


class FirstErrors(logging.Filter):
    """Lets the first few errors into a log: a task that always raises would fill the disk with one and the same."""

    def __init__(self, most: int = MOST_ERRORS) -> None:
        super().__init__()
        self._left = most

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self._left -= 1
        return record.levelno < logging.ERROR or self._left >= 0


def local_runner(locust: Environment, recorder: Recorder) -> Runner:
    for name in NOISY_LOGGERS:
        logging.getLogger(name).addFilter(FirstErrors())
    recorder.listen(locust.events)
    runner = locust.create_local_runner()
    events.init.fire(environment=locust, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
    return runner
