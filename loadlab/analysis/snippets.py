"""What a user writes, and into which file, to have a strategy: all that it takes, and no default of Django's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.findings import Snippet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.model.pooling import Pooling
    from loadlab.model.strategy import Changes, ServerTraits
    from loadlab.strategies import Strategy

DEFAULTS: Final[Mapping[str, object]] = {"CONN_HEALTH_CHECKS": False, "DISABLE_SERVER_SIDE_CURSORS": False}
PGBOUNCER_PORT: Final = 6432  # its own default


def snippets(strategy: Strategy, place: ServerTraits, *, checks: bool) -> tuple[Snippet, ...]:
    """One per file; `checks` turns health checks on, where the strategy has not said so itself."""
    changes = strategy.changes(place)
    pooling = strategy.pooling()
    database = {**changes.database, **({"CONN_HEALTH_CHECKS": True} if checks else {})}
    texts = (
        ("settings.py", _settings(changes, database, _packages(strategy, changes), pooler=pooling is not None)),
        ("gunicorn.conf.py", _hooks(changes)),
        ("asgi.py", _wrapper(changes)),
    )
    written = [Snippet(file=file, language="python", text=text) for file, text in texts if text]
    if changes.arguments:
        written.append(Snippet(file="the server's command", language="sh", text=" ".join(changes.arguments)))
    if strategy.service:
        written.append(Snippet(file="pg_service.conf", language="ini", text=_service(strategy.service)))
    if pooling:
        written.append(Snippet(file="pgbouncer.ini", language="ini", text=_pgbouncer(pooling)))
    return tuple(written)


def _packages(strategy: Strategy, changes: Changes) -> list[str]:
    """What has to be installed: the strategy's own, and this one where it brings the code."""
    paths = [*changes.apps, *changes.gunicorn.values(), changes.asgi_wrapper]
    own = ["loadlab"] if any(path.startswith("loadlab.") for path in paths) else []
    return [*strategy.packages, *own]


def _settings(changes: Changes, database: Mapping[str, object], packages: list[str], *, pooler: bool) -> str:
    lines = [f"# pip install {' '.join(packages)}"] if packages else []
    lines += [f'INSTALLED_APPS = ["{app}", *INSTALLED_APPS]' for app in changes.apps]
    lines += [f"{name} = {_literal(value)}" for name, value in changes.values.items()]
    lines += _database_lines(database)
    if pooler:
        lines.append('DATABASES["default"]["HOST"] = "127.0.0.1"  # where PgBouncer listens')
        lines.append(f'DATABASES["default"]["PORT"] = "{PGBOUNCER_PORT}"')
    return "\n".join(lines)


def _database_lines(database: Mapping[str, object]) -> Iterator[str]:
    """Short lines: the card of a verdict shows them whole."""
    plain = {key: value for key, value in database.items() if key != "OPTIONS" and not _is_default(key, value)}
    if len(plain) > 1:
        yield 'DATABASES["default"] |= {'
        yield from (f'    "{key}": {_literal(value)},{_comment(key, value)}' for key, value in plain.items())
        yield "}"
    else:
        for key, value in plain.items():
            yield f'DATABASES["default"]["{key}"] = {_literal(value)}{_comment(key, value)}'
    options = database.get("OPTIONS")
    if isinstance(options, dict):
        # What else a project has in OPTIONS stays.
        for option, setting in options.items():
            yield f'DATABASES["default"].setdefault("OPTIONS", {{}})["{option}"] = {_literal(setting)}'


def _is_default(key: str, value: object) -> bool:
    return key in DEFAULTS and DEFAULTS[key] == value


def _comment(key: str, value: object) -> str:
    return "  # unlimited" if key == "CONN_MAX_AGE" and value is None else ""


def _literal(value: object) -> str:
    """Python as a person writes it: whole seconds without a point, text in double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return repr(value)


def _hooks(changes: Changes) -> str:
    return "\n".join(_imported(path, hook) for hook, path in changes.gunicorn.items())


def _wrapper(changes: Changes) -> str:
    if not changes.asgi_wrapper:
        return ""
    function = changes.asgi_wrapper.partition(":")[2]
    call = f"application = {function}(application)  # below application = get_asgi_application()"
    return f"{_imported(changes.asgi_wrapper, function)}\n\n{call}"


def _imported(path: str, name: str) -> str:
    module, _, function = path.partition(":")
    renamed = "" if function == name else f" as {name}"
    return f"from {module} import {function}{renamed}"


def _service(service: str) -> str:
    return "\n".join(
        (
            f"# `loadlab key --dsn env:DATABASE_URL --out FILE --service {service}` writes both keys, and",
            "# PGSERVICEFILE names the file. Guard it as a password: mode 600, and not in version control.",
            f"[{service}]",
            "scram_client_key=...",
            "scram_server_key=...",
        )
    )


def _pgbouncer(pooling: Pooling) -> str:
    """With as many connections to PostgreSQL as were measured, with any other databases and users."""
    return "\n".join(
        (
            "[databases]",
            "* = host=127.0.0.1 port=5432  ; where PostgreSQL is",
            "",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {PGBOUNCER_PORT}",
            "auth_type = scram-sha-256",
            "auth_file = /etc/pgbouncer/userlist.txt  ; the project's user and its password",
            f"pool_mode = {pooling.pool_mode}",
            f"default_pool_size = {pooling.pool_size}",
            f"max_client_conn = {pooling.max_client_conn}",
            f"query_wait_timeout = {_literal(pooling.query_wait_timeout_seconds)}",
        )
    )
