"""A run as Prometheus saw it, kept as text: every sample with its time, in OpenMetrics."""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.evidence.answers import Span
from dashboards.evidence.trials import Recorded, read, write
from loadlab.model.foreign_metrics import FOREIGN
from loadlab.model.metrics import CATALOGUE, LAB_CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dashboards.evidence.api import Answer, Api

FOLDER = Path(__file__).parents[2] / "tests" / "dashboards" / "recording"


@dataclass(frozen=True, slots=True)
class Recording:
    """The folder of a recording: what Prometheus saw, and what the run's own record says."""

    folder: Path = FOLDER

    @property
    def _samples(self) -> Path:
        return self.folder / "samples.om.xz"

    @property
    def _trials(self) -> Path:
        return self.folder / "trials.json"

    def write(self, samples: Iterable[str], trials: Sequence[Recorded]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{line}\n" for line in (*samples, "# EOF"))
        self._samples.write_bytes(lzma.compress(text.encode(), preset=9))
        write(self._trials, trials)

    def text(self) -> bytes:
        return lzma.decompress(self._samples.read_bytes())

    def trials(self) -> list[Recorded]:
        return read(self._trials)

    def span(self) -> Span:
        """From the first sample to the last."""
        instants = [float(line.rpartition(b" ")[2]) for line in self.text().splitlines() if not line.startswith(b"#")]
        return Span(start=min(instants), end=max(instants))


def samples_of(api: Api, selector: str, end: float) -> list[str]:
    """Lines of OpenMetrics: all that Prometheus kept of a selector's catalogued series in the hour before `end`."""
    known = {metric.name for metric in (*CATALOGUE, *LAB_CATALOGUE, *FOREIGN)}
    found = [series for series in api.instant(f"{selector}[1h]", end) if _family(series) in known]
    return [line for series in sorted(found, key=lambda one: sorted(one.labels.items())) for line in lines(series)]


def _family(series: Answer) -> str:
    name = series.labels["__name__"]
    return name if name.endswith("_total") else _without_part(name)


def _without_part(name: str) -> str:
    for part in ("_bucket", "_sum", "_count"):
        if name.startswith("loadlab_"):
            name = name.removesuffix(part)
    return name


def lines(series: Answer) -> Iterable[str]:
    labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in series.labels.items() if label != "__name__")
    for at, value in series.points:
        yield f"{series.labels['__name__']}{{{labels}}} {value!r} {at:.3f}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
