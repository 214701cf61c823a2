"""Response times as HdrHistograms, one for each endpoint and second, in the .hlog format that other tools read."""

from __future__ import annotations

import time
from array import array
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

import numpy as np
from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from numpy.typing import NDArray

MICROSECONDS: Final = 1e6
LONGEST_MICROSECONDS: Final = 3_600_000_000  # an hour; longer requests count as an hour
SIGNIFICANT_FIGURES: Final = 3
MOST_TAGS: Final = 200  # a locustfile that names each URL apart must not fill the memory
OTHERS: Final = "others"
HELD_SECONDS: Final = 10  # how long a second is kept open for those who report late


class TimeSlice(NamedTuple):
    """The histogram of one tag and one second of the epoch, as text of HdrHistogram's V2 format."""

    second: int
    tag: str
    histogram: bytes


@lru_cache(maxsize=1024)
def tag_of(request_type: str, name: str, *, failed: bool) -> str:
    """What a request is filed under; percent-encoded, because a tag may hold neither commas nor spaces.

    >>> tag_of("GET", "/entries/[id]/", failed=False), tag_of("GET", "/", failed=True)
    ('GET%20/entries/[id]/', 'failed%20GET%20/')
    """
    return quote(f"{'failed ' if failed else ''}{request_type} {name}", safe="/[]:?&=", errors="replace")


def empty_histogram() -> HdrHistogram:
    """From a microsecond to an hour, no bucket wider than a thousandth of its value."""
    return HdrHistogram(1, LONGEST_MICROSECONDS, SIGNIFICANT_FIGURES)


def histogram_of(seconds: Sequence[float]) -> HdrHistogram:
    """All of them at once: value by value, the library takes many times as long."""
    histogram = empty_histogram()
    values = np.rint(np.asarray(seconds, dtype=np.float64) * MICROSECONDS)
    # What is not a number, and no time can be, counts as 0 rather than not at all.
    values = np.clip(np.nan_to_num(values, nan=0.0, posinf=LONGEST_MICROSECONDS), 0, LONGEST_MICROSECONDS)
    if values.size:
        whole = values.astype(np.int64)
        counts = np.ctypeslib.as_array(histogram.counts)
        counts += np.bincount(_indexes(histogram, whole), minlength=counts.size).astype(counts.dtype)
        histogram.total_count = int(whole.size)
        histogram.min_value, histogram.max_value = int(whole.min()), int(whole.max())
    return histogram


def _indexes(histogram: HdrHistogram, values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each value is counted: what the library's own get_counts_array_index says."""
    # Exact: no value needs more than a float's 53 bits.
    bits = np.frexp((values | histogram.sub_bucket_mask).astype(np.float64))[1].astype(np.int64)
    bucket = bits - histogram.unit_magnitude - (histogram.sub_bucket_half_count_magnitude + 1)
    in_bucket = (values >> (bucket + histogram.unit_magnitude)) - histogram.sub_bucket_half_count
    indexes: NDArray[np.int64] = ((bucket + 1) << histogram.sub_bucket_half_count_magnitude) + in_bucket
    return indexes


class Seconds:
    """Response times of the second that passes, which become histograms when it has passed; bounded in memory."""

    def __init__(self) -> None:
        self.filed_under_others = False
        self._second = 0
        self._times: dict[str, array[float]] = {}
        self._tags: set[str] = set()
        self._done: list[TimeSlice] = []

    def add(self, second: int, tag: str, response_seconds: float) -> None:
        if second != self._second:
            self._close()
            self._second = second
        times = self._times.get(tag)
        if times is None:
            times = self._times.setdefault(self._known(tag), array("d"))
        times.append(response_seconds)

    def _known(self, tag: str) -> str:
        if tag not in self._tags:
            if len(self._tags) >= MOST_TAGS:
                self.filed_under_others = True
                return OTHERS
            self._tags.add(tag)
        return tag

    def _close(self) -> None:
        for tag, times in self._times.items():
            self._done.append(TimeSlice(self._second, tag, histogram_of(times).encode()))
        self._times = {}

    def take_done(self) -> list[TimeSlice]:
        """Those seconds that have passed, each once."""
        done, self._done = self._done, []
        return done

    def take_all(self) -> list[TimeSlice]:
        """Also the one that has not passed yet; what is added to it later makes another interval of the same second."""
        self._close()
        return self.take_done()


class HistogramLog:
    """An .hlog file: intervals of the same second and tag become one line, unless one comes very late."""

    def __init__(self, file: TextIO, started: float) -> None:
        """`started` is seconds since the epoch; so are the times in the file."""
        self._file = file
        self._held: dict[tuple[int, str], bytes] = {}
        file.write("#[Histogram log format version 1.3]\n")
        file.write("#[Values are microseconds, Interval_Max is in milliseconds; tags are percent-encoded]\n")
        # A whole second, as all intervals begin with one: readers leave out what is before the start.
        file.write(f"#[StartTime: {int(started)} (seconds since epoch), {time.asctime(time.gmtime(started))} UTC]\n")
        file.write('"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n')

    def add(self, intervals: Iterable[TimeSlice]) -> None:
        for second, tag, histogram in intervals:
            held = self._held.get((second, tag))
            self._held[second, tag] = histogram if held is None else merged([held, histogram]).encode()
        if self._held:
            newest = max(second for second, _ in self._held)
            self._write_until(newest - HELD_SECONDS)

    def remark(self, text: str) -> None:
        """Write a line that readers pass over."""
        self._file.write(f"#[{text}]\n")

    def finish(self) -> None:
        """Write all that is held; the file stays open, it is the caller's."""
        if self._held:
            self._write_until(max(second for second, _ in self._held))
        self._file.flush()

    def _write_until(self, last: int) -> None:
        due = sorted(key for key in self._held if key[0] <= last)
        for second, tag in due:
            self._file.write(_line(second, tag, self._held.pop((second, tag))))


def merged(histograms: Iterable[bytes]) -> HdrHistogram:
    """The sum of all; no value moves to another bucket."""
    total = empty_histogram()
    for histogram in histograms:
        total.decode_and_add(histogram)
    return total


def _line(second: int, tag: str, histogram: bytes) -> str:
    longest_milliseconds = HdrHistogram.decode(histogram).get_max_value() / 1000
    return f"Tag={tag},{second:.3f},1.000,{longest_milliseconds:.3f},{histogram.decode('ascii')}\n"
