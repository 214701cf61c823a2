"""The Django app: naming `loadlab.instrumentation` in INSTALLED_APPS is all that counting takes."""

from django.apps import AppConfig

from loadlab.instrumentation import checks, counting, current, timing


class InstrumentationConfig(AppConfig):
    name = "loadlab.instrumentation"
    label = "loadlab_instrumentation"
    verbose_name = "loadlab connection metrics"

    def ready(self) -> None:
        counting.install()
        timing.install()
        current.ledger()  # from now on this process is on the books, even before its first connection
        checks.register()
        checks.warn_when_served()
