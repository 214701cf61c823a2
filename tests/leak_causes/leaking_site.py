"""The site whose views leak, on a real server and PostgreSQL, and the listing of what it has open."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from patience import await_that

from loadlab.lab.application import Extras
from loadlab.lab.clients import ClientPool
from loadlab.lab.listing import target_listing
from loadlab.lab.project import OVERRIDDEN_SETTINGS, Project
from loadlab.lab.served_site import boot_site
from loadlab.leak_causes import named, verdict
from loadlab.model.open_connections import AliasSettings
from loadlab.plan.members import config_of
from loadlab.sample_app import ALIASES
from loadlab.strategies import STRATEGIES
from loadlab.system.state_folder import let_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config
    from loadlab.model.open_connections import Listing, NamedCause

TESTS: Final = Path(__file__).resolve().parents[1]
CLIENTS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakingSite:
    lab: Lab
    application: ServedApplication
    settings: AliasSettings

    def ask(self, path: str, each: int = 1, clients: int = CLIENTS) -> None:
        """So many requests of each client, all clients at once, each on a new connection to the server."""
        asking = ClientPool(self.application.port, clients, keep_alive=False)
        assert asking.ask(path, each) == 0, self.application.program.log_tail()

    def listing(self) -> Listing:
        return target_listing(self.lab, self.application.ledgers, dict.fromkeys(ALIASES, self.settings))

    def await_causes(self, **counts: int | range) -> dict[str, NamedCause]:
        """The causes, once they are these with so many connections each, and no others."""

        def are_these() -> bool:
            seen = {cause.name: len(cause.connections) for cause in named(self.listing())}
            return seen.keys() == counts.keys() and all(_fits(seen[name], counts[name]) for name in counts)

        await_that(are_these, lambda: verdict(self.listing()))
        return {cause.name: cause for cause in named(self.listing())}


def _fits(count: int, wanted: int | range) -> bool:
    return count in wanted if isinstance(wanted, range) else count == wanted


def aged(max_age: float | None) -> Config:
    return config_of(STRATEGIES, "max_age", {"max_age": max_age}, "strategy")


@contextmanager
def leaking_site(  # noqa: PLR0913
    lab: Lab,
    folder: Path,
    server: Config,
    strategy: Config,
    *,
    driver: str = "psycopg2",
    garbage: bool = False,
    **environment: str,
) -> Iterator[LeakingSite]:
    """Serve it; only with `garbage` does Python collect garbage there."""
    places = [TESTS / "projects" / "leaks", TESTS / "fixes"]
    project = Project(
        settings="leaks.settings",
        environment={"DJANGO_SETTINGS_MODULE": OVERRIDDEN_SETTINGS, "PYTHONPATH": os.pathsep.join(map(str, places))},
        driver=driver,
    )
    extras = Extras(apps=() if garbage else ["no_garbage_collection.NoGarbageCollection"], environment=environment)
    ledgers = Path(tempfile.mkdtemp(prefix="ledgers-", dir=lab.scratch))
    let_in(ledgers)  # a server's own files are in it, and nginx is an ordinary user
    with boot_site(
        lab, server, strategy, project=project, ledgers=ledgers, log=folder / "log", extras=extras
    ) as booting:
        pool = strategy.name == "pool"
        age: Any = 0 if pool else strategy.parameters.get("max_age", 0)
        settings = AliasSettings(vendor="postgresql", max_age=age, pool=pool)
        yield LeakingSite(lab=lab, application=booting.ready().application, settings=settings)
