"""Remarks of a run's environment on the project under test: each has a code, and is told by it, not by its words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from loadlab.model.config import Scalar
from loadlab.model.findings import PROJECT

NOTES: Final = "project notes"  # the section of an environment that has them, by code


class ProjectNote(StrEnum):
    """What a reader of the results should know of the project, or of an external target."""

    ATOMIC_REQUESTS = "atomic_requests"
    DEBUG = "debug"
    SSL_REDIRECT = "ssl_redirect"
    DAPHNE = "daphne"
    OTHER_DATABASES = "other_databases"
    CPU_UNKNOWN = "cpu_unknown"
    NO_JUDGE = "no_judge"
    REQUESTS_NOT_COUNTED = "requests_not_counted"


# Earlier runs have remarks without codes among the facts of the project: how their keys begin, and their words.
EARLIER_KEY: Final = "note "
EARLIER_WORDS: Final[Mapping[str, ProjectNote]] = {
    "ATOMIC_REQUESTS is on": ProjectNote.ATOMIC_REQUESTS,
    "DEBUG is on": ProjectNote.DEBUG,
    "SECURE_SSL_REDIRECT is on": ProjectNote.SSL_REDIRECT,
    "daphne is installed": ProjectNote.DAPHNE,
    "Only connections of the default database": ProjectNote.OTHER_DATABASES,
    "The target is served elsewhere": ProjectNote.CPU_UNKNOWN,
    "The target is external": ProjectNote.CPU_UNKNOWN,
    "PostgreSQL was not asked": ProjectNote.NO_JUDGE,
    "The target does not count its requests": ProjectNote.REQUESTS_NOT_COUNTED,
}


def is_note(section: str, fact: str) -> bool:
    """Whether a fact of an environment is a remark, of this loadlab or of an earlier one."""
    return section == NOTES or (section == PROJECT and fact.startswith(EARLIER_KEY))


def notes_of(environment: Mapping[str, Mapping[str, Scalar]]) -> dict[str, str]:
    """The remarks by their codes; one of an earlier run that has none is its own code.

    >>> notes_of({"project": {"engine": "postgresql", "note 1": "DEBUG is on: ..."}})
    {'debug': 'DEBUG is on: ...'}
    """
    earlier = [str(text) for key, text in environment.get(PROJECT, {}).items() if key.startswith(EARLIER_KEY)]
    now = {code: str(text) for code, text in environment.get(NOTES, {}).items()}
    return {_code_of(text): text for text in earlier} | now


def _code_of(text: str) -> str:
    return next((str(code) for words, code in EARLIER_WORDS.items() if text.startswith(words)), text)
