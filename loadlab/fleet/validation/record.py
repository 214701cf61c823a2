"""A validation as text: predictions that are sealed before the first trial, and what came of each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import msgspec

from loadlab.errors import UsageError
from loadlab.model.fleet_validation import Prediction, Validation

if TYPE_CHECKING:
    from collections.abc import Sequence

HOW_TO_MAKE: Final = "`loadlab fleet --validate --out FOLDER` makes one."


def sealed(predictions: Sequence[Prediction], at: float) -> Validation:
    """A validation that is yet to be run, with the digest of its predictions."""
    return Validation(predictions=tuple(predictions), predicted_at=at, digest=digest(predictions))


def digest(predictions: Sequence[Prediction]) -> str:
    """SHA-256 of the predictions as JSON, without spaces."""
    return hashlib.sha256(msgspec.json.encode(list(predictions))).hexdigest()


def as_json(validation: Validation) -> str:
    return msgspec.json.format(msgspec.json.encode(validation), indent=1).decode() + "\n"


def read_validation(text: str, source: str) -> Validation:
    """A validation as it was written.

    Raises:
        UsageError: it is none, its predictions were changed, or a trial began before them.
    """
    try:
        found = msgspec.json.decode(text, type=Validation)
    except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"{source} is not the record of a validation: {error}. {HOW_TO_MAKE}") from error
    if digest(found.predictions) != found.digest:
        raise UsageError(f"{source}: the predictions are not those that were written before the trials. {HOW_TO_MAKE}")
    if any(trial.began < found.predicted_at for trial in found.trials):
        raise UsageError(f"{source}: a trial began before the predictions were written. {HOW_TO_MAKE}")
    return found
