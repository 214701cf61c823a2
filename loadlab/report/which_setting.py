"""The page "Which setting for which server": what follows from a recording, with the counts that it follows from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.model.behaviour_changes import spelt
from loadlab.model.config import spell
from loadlab.model.drivers import DRIVERS
from loadlab.report.behaviour import cells, row_grid
from loadlab.report.labels import short, title
from loadlab.report.markup import escape, grid
from loadlab.report.numbers import listed, plural
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.behaviour import BehaviourRow, Recording
    from loadlab.model.config import Config
    from loadlab.model.findings import Snippet
    from loadlab.model.which_setting import Choice, Effect, Fate, ServerAdvice, Stop, Tried, WhichSetting

BEHAVIOUR: Final = "../../benchmarks/recorded/behaviour.md"
COLUMNS: Final = ("server", "a kept connection", "set", "new clients", "kept clients", "asked to stop")
FATES: Final[Mapping[Fate, str]] = {
    "reused": "is reused by later requests",
    "grows in pauses": "is reused under steady load; each pause leaves some open that no request finds again",
    "kept by clients": "is reused only by a client that keeps its connection to the server; otherwise it leaks",
    "leaks": "is never found again, and leaks",
    "fails": "makes requests fail",
    "undecided": "the counts are not decisive",
}
CHOICES: Final[Mapping[Choice, str]] = {
    "keep": "`CONN_MAX_AGE` above 0",
    "close": "`CONN_MAX_AGE = 0`",
    "other server": "another server: requests fail at `CONN_MAX_AGE = 0` too",
}
STOPS: Final[Mapping[Stop, str]] = {
    "closes": "closes them",
    "abandons": "abandons them",
    "abandons kept clients'": "closes them; abandons those of kept clients",
    "abandons some": "abandons some of them",
    "not known": "–",
}
EFFECTS: Final[Mapping[Effect, str]] = {
    "reuses": "Requests reuse connections with",
    "bounds": "A pooler bounds the connections in PostgreSQL:",
    "ends leak": "Nothing leaks, but each request of a new client opens a connection, with",
    "no help": "Connections leak, or the counts are not decisive, with",
}
CLOSING: Final = "Each request opens a connection, so reuse is lost, with"  # where kept connections are reused


def which_setting_page(recording: Recording, found: WhichSetting) -> str:
    names = _names([advice.server for advice in found.advice])
    found = replace(found, advice=tuple(sorted(found.advice, key=lambda one: names[one.server].casefold())))
    blocks = ["# Which setting for which server", *_opening(recording, found), _table(found, names)]
    blocks += ["## How the setting follows from the counts", *_rule(recording)]
    for advice in found.advice:
        blocks += list(_section(recording, advice, names[advice.server]))
    return "\n\n".join(blocks) + "\n"


def _names(servers: Sequence[Config]) -> dict[Config, str]:
    """What people call each, with the kind that was counted, and what tells it from others of the same mode."""
    names = {}
    for server in servers:
        others = [one.parameters for one in servers if one.name == server.name]
        told = [
            key
            for key, value in server.parameters.items()
            if isinstance(value, str) or any(one.get(key) != value for one in others)
        ]
        words = ", ".join(f"{key}={spell(server.parameters[key])}" for key in told)
        names[server] = f"{title(server.name)}, {words}" if told else title(server.name)
    return names


def _opening(recording: Recording, found: WhichSetting) -> Iterator[str]:
    names = listed([escape(title(name)) for name in dict.fromkeys(one.server.name for one in found.advice)])
    yield (
        "What happens to Django's persistent database connections (`CONN_MAX_AGE`) depends on the server that runs"
        f" Django. This page says which setting is right under {names}, from counts."
    )
    versions = ", ".join(f"{name} {version}" for name, version in recording.versions.items())
    yield (
        f"Every figure is a count of connections in a real PostgreSQL, not a time: {recording.scale.clients} clients"
        f" send {recording.scale.requests} requests to each server. *New clients* open an HTTP connection for each"
        " request, as behind many proxies; *kept clients* keep theirs. A cell says: connections opened / requests that"
        f" reused one, and connections left open at `CONN_MAX_AGE = 600`. Counted with {escape(versions)}."
    )
    if found.uncounted:
        names = listed([f"`{name}`" for name in found.uncounted])
        yield f"Not counted here: {names}. [Server modes](servers.md) says what they are."


def _table(found: WhichSetting, names: Mapping[Config, str]) -> str:
    return grid(COLUMNS, ["---"] * len(COLUMNS), [_row(advice, names[advice.server]) for advice in found.advice])


def _row(advice: ServerAdvice, name: str) -> tuple[str, ...]:
    new, kept = (_counts(advice.kept, keep_alive=keep_alive) for keep_alive in (False, True))
    link = f"[{escape(name)}](#{_anchor(name)})"
    return link, FATES[advice.fate], _choice(advice), new, kept, STOPS[advice.stop]


def _choice(advice: ServerAdvice) -> str:
    checks = ", with `CONN_HEALTH_CHECKS`" if advice.choice == "keep" and advice.checks_help else ""
    return CHOICES[advice.choice] + checks


def _counts(rows: Sequence[BehaviourRow], *, keep_alive: bool) -> str:
    """Of the first row of this kind: that with the finite age."""
    row = next((one for one in rows if one.setting.keep_alive is keep_alive), None)
    return "–" if row is None else f"{_opened(row)}, {spelt(row.spans['left_open'])} left"


def _opened(row: BehaviourRow) -> str:
    return f"{spelt(row.spans['opened'])} / {spelt(row.spans['reused'])}"


def _anchor(heading: str) -> str:
    """As GitHub makes it of a heading."""
    kept = "".join(letter for letter in heading.lower() if letter.isalnum() or letter in " -_")
    return kept.replace(" ", "-")


def _rule(recording: Recording) -> Iterator[str]:
    yield (
        "A connection has *leaked* if only Python's garbage collector closed it, or if PostgreSQL refused connections"
        f" to the same load with {recording.scale.free} connections free and no garbage collection. A row *reuses*"
        " connections if none leaked and at least half of its requests found one. It *grows* if bursts with quiet"
        " spells leave more open than the server can use at once."
    )
    yield (
        "- Every row reuses them, with new and with kept clients: set `CONN_MAX_AGE` above 0. Which age, `loadlab run`"
        " measures.\n"
        "- Every row reuses them, but grows: set `CONN_MAX_AGE = 0`, or use what is listed for the server.\n"
        "- Some row leaks: set `CONN_MAX_AGE = 0`, Django's default, or use what is listed for the server.\n"
        "- Anything else: the counts are not decisive, and the page says so. `CONN_MAX_AGE = 0` is safe then."
    )
    yield (
        f"[What connections do, counted]({BEHAVIOUR}#how-to-read-it) explains the columns. `loadlab behaviour` counts"
        " everything again, and [why connections leak](../explanation/why-it-leaks.md) says why servers differ."
    )


def _section(recording: Recording, advice: ServerAdvice, name: str) -> Iterator[str]:
    yield f"## {escape(name)}"
    yield _sentence(recording, advice)
    yield from map(_code, advice.snippets)
    yield row_grid([cells(row) for row in (*advice.closed, *advice.kept)])
    if points := [*_others(advice), *_never(advice)]:
        yield "\n".join(points)
    yield from _remarks(advice)


def _sentence(recording: Recording, advice: ServerAdvice) -> str:
    member = SERVERS[advice.server.name]
    needed = (*member.packages, *(program.title for program in member.programs))
    versions = [f"{name} {recording.versions[name]}" for name in needed if name in recording.versions]
    with_them = f" with {escape(listed(versions))}," if versions else ""
    counted = f" Counted{with_them} as the server mode `{advice.server}`."
    if advice.fate == "undecided":
        fate = "The counts are not decisive for kept connections"
    else:
        fate = f"A kept connection {FATES[advice.fate]}"
    left = plural(advice.left_at_zero, "connection")
    zero = f" At `CONN_MAX_AGE = 0`, {left} stayed open all the same." if advice.left_at_zero else ""
    return f"{fate}. Set {_choice(advice)}.{zero}{counted}"


def _code(snippet: Snippet) -> str:
    return f"```{snippet.language}\n# {snippet.file}\n{snippet.text}\n```"


def _others(advice: ServerAdvice) -> Iterator[str]:
    for effect, words in EFFECTS.items():
        tried = [one for one in advice.tried if one.effect == effect]
        if tried:
            lead = CLOSING if effect == "ends leak" and advice.fate == "reused" else words
            yield f"- {lead} {listed(list(map(_spelt, tried)))}."


def _spelt(tried: Tried) -> str:
    found = listed(list(dict.fromkeys(map(_opened, tried.rows))))
    driver = "" if tried.driver == "psycopg2" else f", {tried.driver} 3" if tried.driver == "psycopg" else ""
    return f"[`{short(tried.strategy)}`](strategies.md) ({found}{driver})"


def _never(advice: ServerAdvice) -> Iterator[str]:
    yield from (f"- Not `{one.strategy}`: {escape(one.why)}." for one in advice.impossible)


def _remarks(advice: ServerAdvice) -> Iterator[str]:
    member = SERVERS[advice.server.name]
    if advice.stop not in ("closes", "not known"):
        lost = next(row for row in advice.kept if row.spans["stop_abandoned"][1])
        sessions = plural(lost.spans["open_at_stop"][1], "session")
        yield (
            f"Asked to stop by {member.stop_signal.name}, it {STOPS[advice.stop]}:"
            f" {spelt(lost.spans['stop_abandoned'])} of {sessions} ended without notice to PostgreSQL."
        )
    for driver in DRIVERS:
        if refused := member().incompatible(driver):
            parameter, why, remedy = refused
            yield f"By itself, `{parameter}` {escape(why)}: {escape(remedy)}."
            break
    if member.remarks:
        yield "\n".join(f"- {remark}" for remark in member.remarks)
