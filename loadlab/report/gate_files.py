"""Gates for programs that run builds: JUnit XML, a Markdown summary, GitHub's annotations, GitLab's code quality."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from loadlab.model.gates import GateOutcome
from loadlab.model.text import printable
from loadlab.report import numbers
from loadlab.report.content.gates import table as table_of
from loadlab.report.markup import escape, table
from loadlab.report.prose.gates import headline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.report.content.gates import GateLine

NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
SIGNS: Final = {GateOutcome.PASS: "✅", GateOutcome.FAIL: "❌", GateOutcome.UNDECIDED: "❔"}
SUITE: Final = "loadlab gates"
TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?")
NOTHING: Final = "No gate was asked of any case."


def junit(lines: Sequence[GateLine], *, started: str, file: str) -> str:
    """JUnit XML: a test case for each gate and case, in the forms of Ant and of Jenkins.

    What is undecided is a skipped test, or a failure where it fails the build. `started` is when, and `file`
    what was measured: a run folder, a plan, or an address.
    """
    fails, skips = sum(one.fails for one in lines), sum(map(_skips, lines))
    counts = {"tests": str(len(lines)), "failures": str(fails), "errors": "0"}
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "id": "0",
            "name": SUITE,
            "package": "loadlab",
            "timestamp": _timestamp(started),
            "hostname": "localhost",
            **counts,
            "skipped": str(skips),
            "time": "0",
        },
    )
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", {"name": "measured", "value": _xml(file)})
    for one in lines:
        _test_case(suite, one)
    ET.SubElement(suite, "system-out").text = _xml("\n".join(one.sentence for one in lines))
    ET.SubElement(suite, "system-err")
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode", xml_declaration=True).replace("'", '"', 4) + "\n"


def _timestamp(started: str) -> str:
    """Without fraction and zone, as the schema wants it."""
    match = TIME.match(started)
    return f"{match[1]}T{match[2]}{match[3] or ':00'}" if match else "1970-01-01T00:00:00"


def _skips(one: GateLine) -> bool:
    return one.result.outcome is GateOutcome.UNDECIDED and not one.fails


def _test_case(suite: ET.Element, one: GateLine) -> None:
    name, subject = _xml(one.gate), _xml(one.subject)
    case = ET.SubElement(suite, "testcase", {"name": name, "classname": subject, "time": "0"})
    if one.fails:
        kind = "limit" if one.result.outcome is GateOutcome.FAIL else "undecided"
        ET.SubElement(case, "failure", {"type": kind, "message": _xml(one.sentence)}).text = _xml(one.sentence)
    elif _skips(one):
        ET.SubElement(case, "skipped", {"message": _xml(one.sentence)})


def _xml(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def summary(lines: Sequence[GateLine], title: str) -> str:
    """Markdown for the page of a job: the outcome first, then every gate that does not pass, then all of them."""
    if not lines:
        return f"### {escape(title)}\n\n{NOTHING}\n"
    first = max(map(_meaning, lines), key=[GateOutcome.PASS, GateOutcome.UNDECIDED, GateOutcome.FAIL].index)
    parts = [f"### {SIGNS[first]} {escape(title)}: {headline([one.result for one in lines])}"]
    wanting = list(filter(_wanting, lines))
    parts += ["\n".join(f"- {SIGNS[_meaning(one)]} {escape(one.sentence)}" for one in wanting)] if wanting else []
    parts += ["<details><summary>All gates</summary>", table(table_of(list(lines))), "</details>"]
    return numbers.writable(printable("\n\n".join(parts))) + "\n"


def github(lines: Sequence[GateLine]) -> str:
    """GitHub's workflow commands, a line for each gate that does not pass."""
    return "\n".join(map(_annotation, filter(_wanting, lines)))


def _meaning(one: GateLine) -> GateOutcome:
    """What it means for the build, which also fails where what is undecided is to fail it."""
    return GateOutcome.FAIL if one.fails else one.result.outcome


def _wanting(one: GateLine) -> bool:
    return one.result.outcome is not GateOutcome.PASS


def _annotation(one: GateLine) -> str:
    level = "error" if one.fails else "warning"
    return f"::{level} title={_property(f'{one.gate} on {one.subject}')}::{_data(one.sentence)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def code_quality(lines: Sequence[GateLine], file: str) -> str:
    """GitLab's code quality report: an issue for each gate that does not pass, at the first line of `file`."""
    issues = [
        {
            "description": one.sentence,
            "check_name": one.gate,
            "fingerprint": hashlib.sha256(f"{one.subject}\0{one.gate}".encode(errors="replace")).hexdigest(),
            "severity": "major" if one.fails else "minor",
            "location": {"path": file, "lines": {"begin": 1}},
        }
        for one in filter(_wanting, lines)
    ]
    return json.dumps(issues, indent=1) + "\n"
