"""Undoes Content-Encoding, a slice at a time: the loop goes on meanwhile, and nothing grows beyond its limit.

As lenient as browsers and Locust's other clients where nothing is lost by it: what follows a compressed body is
ignored, and its checksum may be missing. A body that is cut off, or is not compressed at all, is malformed.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import brotli
import gevent

from loadlab.load.http.errors import AnswerTooLargeError, MalformedAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SLICE_BYTES: Final = 64 * 1024  # of what is compressed
OUTPUT_BYTES: Final = 1024 * 1024  # at once; takes about a millisecond
MOST_CODINGS: Final = 4  # one is usual
MOST_MEMBERS: Final = 10_000
GZIP: Final = b"\x1f\x8b"
GZIP_HEADER_BYTES: Final = 10
GZIP_FLAGS_AT: Final = 3
HEADER_CHECKSUM, EXTRA, NAME, COMMENT = 2, 4, 8, 16  # flags of gzip's header
ZLIB_HEADER_BYTES: Final = 2


def decoded(content: bytes, fields: Sequence[bytes], limit: int) -> bytes:
    """The content without the codings of its Content-Encoding `fields`, the last one first; an unknown one stays on.

    Raises:
        MalformedAnswerError: it is not so coded.
        AnswerTooLargeError: there are more than `limit` bytes in it.
    """
    codings = [coding.strip() for coding in b",".join(fields).decode("latin-1").lower().split(",")]
    if len(codings) > MOST_CODINGS:
        raise MalformedAnswerError(f"the body has more than {MOST_CODINGS} codings")
    for coding in reversed(codings):
        if coding in {"", "identity"}:
            continue
        undo = DECODERS.get(coding)
        if undo is None:
            return content
        if content:
            content = undo(content, limit)
    return content


class _Output:
    """What has come out so far; other greenlets run after each full slice."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._pieces: list[bytes] = []

    def most(self) -> int:
        """How many bytes to ask for at once; one more than may come, so that too many are noticed."""
        return min(OUTPUT_BYTES, self._left + 1)

    def add(self, piece: bytes) -> None:
        if not piece:
            return
        self._left -= len(piece)
        if self._left < 0:
            raise AnswerTooLargeError(f"the decompressed body has more than {self._limit} bytes")
        self._pieces.append(piece)
        if len(self._pieces) > 1:
            gevent.sleep(0)

    def joined(self) -> bytes:
        return b"".join(self._pieces)  # of one piece, that piece itself


def _gunzipped(data: bytes, limit: int) -> bytes:
    """The members of a gzip file, joined."""
    output = _Output(limit)
    view, at = memoryview(data), 0
    for number in range(MOST_MEMBERS):
        try:
            at = _inflate(zlib.decompressobj(16 + zlib.MAX_WBITS), view, at, output, _gzip_header_end)
        except zlib.error:
            if number:  # what follows only looked like a member
                return output.joined()
            raise _not_compressed() from None
        if bytes(view[at : at + len(GZIP)]) != GZIP:
            return output.joined()
    raise AnswerTooLargeError(f"the compressed body has more than {MOST_MEMBERS} members")


def _inflated(data: bytes, limit: int) -> bytes:
    """With the zlib envelope, as the standard has it, or without, as some servers send it."""
    with suppress(zlib.error):
        output = _Output(limit)
        _inflate(zlib.decompressobj(), memoryview(data), 0, output, lambda _, at: at + ZLIB_HEADER_BYTES)
        return output.joined()
    try:
        output = _Output(limit)
        _inflate(zlib.decompressobj(-zlib.MAX_WBITS), memoryview(data), 0, output, None)
    except zlib.error:
        raise _not_compressed() from None
    return output.joined()


def _inflate(
    decompressor: Any,  # noqa: ANN401  zlib keeps its type to itself
    view: memoryview,
    at: int,
    output: _Output,
    header_end: Callable[[memoryview, int], int] | None,
) -> int:
    """Decompress what begins there; returns where it ends. `header_end` finds the end of the header before it.

    Raises:
        zlib.error: it is not compressed.
        MalformedAnswerError: it is cut off.
    """
    end = _feed(decompressor, view, at, output.most, output.add)
    if decompressor.eof:
        return end - len(decompressor.unused_data)
    if header_end is None or not _whole_without_checksum(view, header_end(view, at)):
        raise MalformedAnswerError("the compressed body ends too early")
    return end


def _feed(
    decompressor: Any,  # noqa: ANN401
    view: memoryview,
    at: int,
    most: Callable[[], int],
    take: Callable[[bytes], None],
) -> int:
    """Feed it slices from there on, until it has enough; returns where that was. `take` gets what comes out."""
    while at < len(view) and not decompressor.eof:
        piece: Any = view[at : at + SLICE_BYTES]
        at += len(piece)
        while piece and not decompressor.eof:
            take(decompressor.decompress(piece, most()))
            piece = decompressor.unconsumed_tail
    return at


def _whole_without_checksum(view: memoryview, at: int) -> bool:
    """Whether a bare stream that begins there is complete: then nothing but its checksum was cut off."""
    bare = zlib.decompressobj(-zlib.MAX_WBITS)
    with suppress(zlib.error):
        _feed(bare, view, at, lambda: OUTPUT_BYTES, lambda _: gevent.sleep(0))
    return bare.eof


def _gzip_header_end(view: memoryview, at: int) -> int:
    """Where the header of a member ends that begins there; RFC 1952, section 2.3."""
    head = bytes(view[at : at + SLICE_BYTES])
    if len(head) < GZIP_HEADER_BYTES:
        return len(view)
    flags, end = head[GZIP_FLAGS_AT], GZIP_HEADER_BYTES
    if flags & EXTRA:
        end += 2 + int.from_bytes(head[end : end + 2], "little")
    for _ in range(bool(flags & NAME) + bool(flags & COMMENT)):
        end = head.find(b"\0", end) + 1 or len(head)
    return at + end + (2 if flags & HEADER_CHECKSUM else 0)


def _unbrotlied(data: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    output = _Output(limit)
    view = memoryview(data)
    try:
        for at in range(0, len(view), SLICE_BYTES):
            piece = bytes(view[at : at + SLICE_BYTES])
            # It keeps back what is beyond the limit, and its `can_accept_more_data` does not know of that.
            while out := decompressor.process(piece, output_buffer_limit=output.most()):
                output.add(out)
                piece = b""
        finished = decompressor.is_finished()
    except brotli.error:
        raise _not_compressed() from None
    if not finished:
        raise MalformedAnswerError("the compressed body ends too early")
    return output.joined()


def _not_compressed() -> MalformedAnswerError:
    return MalformedAnswerError("the body is not compressed as its head says")


DECODERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _inflated,
    "br": _unbrotlied,
}
