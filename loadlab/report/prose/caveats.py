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
_NO_PROOF: Final = (
    "{blocks:plural complete block} cannot prove a difference: with {comparisons:plural comparison}, the smallest "
    "possible p is {p:probability} after Holm's correction, and a proof needs less than {alpha}."
)
_LEFT: Final = (
    "After {blocks} of {planned:plural block}, {cases:cases} left the run, which saved {spared:plural trial}."
)
WORDS: Final[Mapping[CaveatKind, Words]] = {
    CaveatKind.BUSY_MACHINE: Words(
        "It was busy when the run began: load {load:figure} on {cores:plural core}.",
        "Times vary more than usual; counts stay exact. Measure again when nothing else runs.",
    ),
    CaveatKind.PROJECT_NOTE: Words("{note}"),
    CaveatKind.NOT_RECONCILED: Words("The counts do not reconcile: {mismatches:mismatches}.", _NOT_EXACT),
    CaveatKind.NOT_JUDGED: Words("PostgreSQL's count of sessions is unknown: {why:sentence}", _NOT_EXACT),
    CaveatKind.OTHER_TRAFFIC: Words(
        "The target also served other clients: up to {share:percentage} of its requests ({worst:trial}).",
        "They change its counts and its speed. Measure when it has no other clients. If it has none: FastHttpUser"
        " repeats a request that the server hangs up on, up to 12 times, and reports one failure.",
    ),
    CaveatKind.WORKER_ENDED: Words(
        "A worker of the target ended during the window and took {connections:plural connection} with it.",
        "This is normal if workers are recycled (max_requests). Otherwise look in the target's log for a crash.",
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
        "Remove the cause that is named below. Then resume the run. If the target did not keep up, run the plan "
        "again: repeating such a trial until it succeeds would flatter the case.",
    ),
    CaveatKind.TRIAL_NOT_COUNTED: Words(
        "This trial is {state}: {reason:sentence}", "Its data is kept, but no estimate and no comparison uses it."
    ),
    CaveatKind.TRIAL_AGAINST_CASE: Words(
        "This trial is {state}: {reason:sentence}",
        "No estimate uses it. In comparisons it counts against its case.",
    ),
    CaveatKind.BLOCKS_MISSING: Words(_NO_PROOF, "Resume the run."),
    CaveatKind.BLOCKS_TOO_FEW: Words(
        _NO_PROOF,
        "Set blocks to {needed} or more, or compare fewer cases.",
    ),
    CaveatKind.PAIRS_TOO_FEW: Words(
        "Only {blocks:plural block} of {planned} can be compared with {baseline:case}; a verdict needs {needed}.",
        "Resume the run, or see below why the other blocks are incomplete or served nothing.",
    ),
    CaveatKind.NOISE_FLOOR: Words(
        "Measured twice, this case differs from itself: {metric:metric} {ratio:ratio} ({interval}). This is the noise "
        "floor.",
        "The run calls no smaller difference better or worse. A quieter machine has a lower noise floor.",
    ),
    CaveatKind.REQUESTS_FAILED: Words(
        "{failures:count} of {requests:plural request} failed ({share:percentage}).",
        "Throughput counts only successful requests; latency also counts unanswered ones. See the table of failures.",
    ),
    CaveatKind.DATABASE_UNUSED: Words(
        "No request used the database, so the run says nothing about connections.",
        "In the Locust file, request pages that query the database.",
    ),
    CaveatKind.TRIALS_SILENT: Words(
        "Nothing was served in block {blocks:list}: the throughput is 0 there, and there is no latency.",
        "Comparisons rank such a trial as the worst. If the baseline served something in that block, the case is not "
        "recommended.",
    ),
    CaveatKind.TRIALS_OUTPACED: Words(
        "The target did not keep up with the load in block {blocks:list}, so its speed there is unknown.",
        "Such a trial counts against the case. Use a lower rate to measure it.",
    ),
    CaveatKind.PAIRS_SILENT: Words(
        "In block {blocks:list} neither this case nor {baseline:case} served anything.",
        "Such a pair cannot say which is better, so comparisons leave it out.",
    ),
    CaveatKind.MEDIANS_CONTRADICT: Words(
        "The median throughput is {median:figure} requests/s, against {baseline_median:figure} for {baseline:case}, "
        "but the ratio is {ratio:ratio}.",
        "Trust the ratio: it compares trials of the same block, so slow drift of the machine cancels out.",
    ),
    CaveatKind.GENERATOR_BUSY: Words(
        "The load generator used up to {share:percentage} of a core ({worst:trial}).",
        "It may limit the measured throughput. Use fewer users, or more load processes on more cores.",
    ),
    CaveatKind.PROXY_BUSY: Words(
        "The proxy that adds the round trip used up to {share:percentage} of a core ({worst:trial}).",
        "Near a full core it adds more latency than planned. Use fewer users, or smaller added latencies.",
    ),
    CaveatKind.STARTS_SKEWED: Words(
        "Load processes on other hosts started within {seconds:milliseconds} of each other ({worst:trial})."
    ),
    CaveatKind.LONG_WAITS: Words(
        "Requests waited {waited:milliseconds} for a connection on average; the median response is "
        "{median:milliseconds}.",
        "The size of the {at} limits this case. Measure larger sizes too.",
    ),
    CaveatKind.USERS_IDLE: Words(
        "Throughput × mean response time differs from the number of users by up to {gap:percentage} ({worst:trial}).",
        "The users spent that time outside answered requests: they paused (mixed, burst, steps, think_time), got no "
        "answer, or waited for the generator. Without pauses, a gap over 25 % makes a trial invalid.",
    ),
    CaveatKind.PERCENTILE_WITHHELD: Words(
        "{percentile} is not shown: it needs {needed:count} successful requests in the window, and one trial had only "
        "{fewest:count} ({worst:trial}).",
        "Use a longer window or more users.",
    ),
    CaveatKind.EXPIRY_UNSEEN: Words(
        "The window was too short to see connections expire: it was shorter than {ages} × {max_age:age}.",
        "Use a longer window or a shorter age.",
    ),
    CaveatKind.LEFT_OUT: Words("Left out of {servers:list}: {why:sentence}"),
    CaveatKind.LEFT_LEAKS: Words(
        f"{_LEFT} Connections leak there, by exact counts, and no speed makes up for that.",
        "`loadlab run --fixed` measures every case in every block.",
    ),
    CaveatKind.LEFT_REFUSED: Words(
        f"{_LEFT} Connections are refused there, by exact counts, and no speed makes up for that.",
        "`loadlab run --fixed` measures every case in every block.",
    ),
    CaveatKind.LEFT_DECIDED: Words(f"{_LEFT} All comparisons there have a verdict."),
    CaveatKind.LEFT_ALONE: Words(f"{_LEFT} Nothing was left to compare."),
    CaveatKind.CHANGED_MEANWHILE: Words(
        "Measured after a change: {changes:and}.",
        "Differences between blocks may come from that. Start a new run to measure all trials alike.",
    ),
    CaveatKind.NOT_SEALED: Words(
        f"loadlab 0.1.0 began this run and kept no checksum of {layout.PLAN} and {layout.ENVIRONMENT}.",
        "loadlab cannot detect later edits of them.",
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
