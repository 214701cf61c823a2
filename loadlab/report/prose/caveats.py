"""Says each caveat in a sentence or two, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.model.case import Case
from loadlab.model.caveats import CaveatKind, Orders, Several, TrialOf
from loadlab.report import numbers
from loadlab.report.prose.templates import Template
from loadlab.store import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.model.caveats import Caveat, Subject


@dataclass(frozen=True, slots=True)
class Words:
    """Templates: what is the matter, and what to do."""

    text: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """A caveat in words."""

    subject: str
    text: str
    advice: str

    @property
    def line(self) -> str:
        return " ".join(part for part in (f"{self.subject}: {self.text}", self.advice) if part)


_NOT_EXACT: Final = "Do not quote this trial's connection counts as exact."
WORDS: Final[Mapping[CaveatKind, Words]] = {
    CaveatKind.BUSY_MACHINE: Words(
        "It was busy when the run began: load {load:figure} on {cores:plural core}.",
        "Times vary more than they should, counts do not. Measure again when nothing else runs.",
    ),
    CaveatKind.PROJECT_NOTE: Words("{note}"),
    CaveatKind.NOT_RECONCILED: Words("The counts do not reconcile: {mismatches:mismatches}.", _NOT_EXACT),
    CaveatKind.NOT_JUDGED: Words("PostgreSQL's count of sessions is not known: {why:sentence}", _NOT_EXACT),
    CaveatKind.OTHER_TRAFFIC: Words(
        "Others used the target too: up to {share:percentage} of its requests were theirs ({worst:trial}).",
        "Their requests are in its counts and in its speed: measure when it has no other users.",
    ),
    CaveatKind.WORKER_ENDED: Words(
        "A worker of the target ended during the window, and {connections:plural connection} with it.",
        "That is usual where workers are recycled (max_requests). Otherwise it crashed or was restarted.",
    ),
    CaveatKind.TRIALS_MISSING: Words(
        "Missing: {missing:count} of {planned:plural trial}.", "Resume the run to measure them."
    ),
    CaveatKind.CASE_NOT_MEASURED: Words(
        "No complete trial: nothing is known of this case.",
        "Resume the run, or look at why its trials did not complete.",
    ),
    CaveatKind.CASE_INVALID: Words(
        "No complete trial: nothing is known of this case.",
        "Remove the cause that is named below. Then resume the run. Where the target did not keep up, run the plan "
        "again: to repeat such a trial until it succeeds would flatter the case.",
    ),
    CaveatKind.TRIAL_NOT_COUNTED: Words(
        "This trial is {state}: {reason:sentence}", "It is kept, but part of no estimate and of no comparison."
    ),
    CaveatKind.TRIAL_AGAINST_CASE: Words(
        "This trial is {state}: {reason:sentence}",
        "It is part of no estimate, and counts against its case in comparisons.",
    ),
    CaveatKind.BLOCKS_MISSING: Words(
        "With {blocks:plural complete block} and {comparisons:plural comparison}, the smallest possible p is "
        "{p:probability} after Holm's correction: none can fall under {alpha}.",
        "Resume the run.",
    ),
    CaveatKind.BLOCKS_TOO_FEW: Words(
        "With {blocks:plural complete block} and {comparisons:plural comparison}, the smallest possible p is "
        "{p:probability} after Holm's correction: none can fall under {alpha}.",
        "Set blocks to {needed} or more, or compare fewer cases.",
    ),
    CaveatKind.PAIRS_TOO_FEW: Words(
        "Only {blocks:plural block} of {planned} can be compared with {baseline:case}; a verdict takes {needed}.",
        "Resume the run, or see why the others are not complete or had no success.",
    ),
    CaveatKind.NOISE_FLOOR: Words(
        "Measured against itself, the {metric:metric} came out at {ratio:ratio} ({interval}): the noise floor of this "
        "run.",
        "No smaller difference is called better or worse; a quieter machine would show more.",
    ),
    CaveatKind.REQUESTS_FAILED: Words(
        "{failures:count} of {requests:plural request} failed ({share:percentage}).",
        "Throughput counts successes, latency those and unanswered requests. See the table of failures.",
    ),
    CaveatKind.DATABASE_UNUSED: Words(
        "No request used the database, so nothing can be said about connections.",
        "In the Locust file, ask for pages that query the database.",
    ),
    CaveatKind.TRIALS_SILENT: Words(
        "Nothing was served in block {blocks:list}: the throughput is 0 there, and there is no latency.",
        "In comparisons such a trial is the most extreme one. A case is not recommended where its baseline served "
        "something in that block.",
    ),
    CaveatKind.TRIALS_OUTPACED: Words(
        "The target did not keep up with the load in block {blocks:list}: its speed there is not known.",
        "Such a trial counts against every verdict on the case; a lower rate measures it.",
    ),
    CaveatKind.PAIRS_SILENT: Words(
        "In block {blocks:list} neither this case nor {baseline:case} served anything.",
        "Such a pair says nothing about which is better, and is left out.",
    ),
    CaveatKind.MEDIANS_CONTRADICT: Words(
        "The medians of throughput go from {baseline_median:figure} to {median:figure} requests/s, against "
        "{baseline:case}; the ratio is {ratio:ratio}.",
        "The ratio is paired by block, so what the machine did over time is not in it. Trust the ratio.",
    ),
    CaveatKind.GENERATOR_BUSY: Words(
        "The load generator used up to {share:percentage} of a core ({worst:trial}).",
        "It may limit what was measured: use fewer users, or more load workers on more cores.",
    ),
    CaveatKind.PROXY_BUSY: Words(
        "The proxy that adds the round trip used up to {share:percentage} of a core ({worst:trial}).",
        "Near its ceiling it adds more than it should: use fewer users, or compare smaller added latencies.",
    ),
    CaveatKind.STARTS_SKEWED: Words(
        "Workers on other hosts started at one instant, to within {seconds:milliseconds} ({worst:trial})."
    ),
    CaveatKind.LONG_WAITS: Words(
        "A request waited {waited:milliseconds} for a connection on average, of a median response of "
        "{median:milliseconds}.",
        "The size of the {at} bounds this case; sweep it to see what a larger one gives.",
    ),
    CaveatKind.USERS_IDLE: Words(
        "Throughput × mean response time differs from the number of users by up to {gap:percentage} ({worst:trial}).",
        "Part of the users' time is not in answered requests: they paused (mixed, burst, steps, think_time), got no "
        "answer, or waited for the generator. A gap of more than 25 % without pauses makes a trial invalid.",
    ),
    CaveatKind.PERCENTILE_WITHHELD: Words(
        "{percentile} withheld: it takes {needed:count} successful requests in the window, there were as few as "
        "{fewest:count} ({worst:trial}).",
        "A longer window or more users give enough.",
    ),
    CaveatKind.EXPIRY_UNSEEN: Words(
        "Expiry not observed: the window was shorter than {ages} × {max_age:age}.",
        "To see connections expire, use a longer window or a shorter age.",
    ),
    CaveatKind.LEFT_OUT: Words("Left out of {servers:list}: {why:sentence}"),
    CaveatKind.CHANGED_MEANWHILE: Words(
        "Measured after a change: {changes:and}.",
        "Differences between blocks may come from that. For figures on one ground, measure anew.",
    ),
    CaveatKind.NOT_SEALED: Words(
        f"Begun by loadlab 0.1.0, which did not seal {layout.PLAN} and {layout.ENVIRONMENT}.",
        "An edit would not be noticed.",
    ),
    CaveatKind.DAMAGED: Words("Damaged: {fault:sentence}", "{remedy}"),
    CaveatKind.DAMAGED_PLAN: Words(
        "Damaged: {fault:sentence} The figures are those of the plan that the run began with.", "{remedy}"
    ),
    CaveatKind.SESSION_LOST: Words("It is missing.", "{remedy}"),
}


def said(caveat: Caveat, name: Callable[[Case], str]) -> Said:
    """`name` is what the report calls a case."""
    template, words = Template(name), WORDS[caveat.kind]
    text, advice = (template.filled(one, caveat.figures) for one in (words.text, words.advice))
    return Said(subject=_subject(caveat.subject, template, name), text=text, advice=advice)


def _subject(subject: Subject, template: Template, name: Callable[[Case], str]) -> str:
    match subject:
        case Case():
            return name(subject)
        case TrialOf():
            return template.trial(subject)
        case Several():
            return numbers.plural(subject.count, subject.of)
        case Orders() | str():
            return str(subject)
