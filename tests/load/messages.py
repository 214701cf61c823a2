"""Generates HTTP/1 answers for property tests: valid ones with what they say, and spoilt ones."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

TOKEN = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FRAMING = {"content-length", "transfer-encoding", "connection", "upgrade", "content-encoding", "keep-alive"}
BODILESS = {204, 304}


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A valid answer as it comes, and what it says."""

    raw: bytes
    method: str
    status: int
    fields: list[tuple[str, str]]
    body: bytes
    ends_by_close: bool


names = st.text(TOKEN, min_size=1, max_size=20).filter(lambda name: name.lower() not in FRAMING)
values = st.text(
    st.characters(codec="latin-1", exclude_characters="".join(map(chr, [*range(32), 127]))), max_size=40
).map(lambda text: text.strip(" \t"))
bodies = st.binary(max_size=300) | st.sampled_from([b"\r\n", b"\n", b"HTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n"])
reasons = st.sampled_from(["OK", "", "Not Found", "I'm a teapot", "\u00e9t\u00e9"])


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """The body in chunks of any size, with extensions and trailers."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    parts = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True) if a < b]
    extension = st.sampled_from([b"", b";a", b";a=b", b';a="q r"'])
    sizes = st.sampled_from([b"%x", b"%X", b"0%x"])
    coded = b"".join(draw(sizes) % len(part) + draw(extension) + b"\r\n" + part + b"\r\n" for part in parts)
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n"]))
    return coded + b"0" + draw(extension) + b"\r\n" + trailers + b"\r\n"


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any valid final answer, after any interim ones."""
    method = draw(st.sampled_from(["GET", "GET", "POST", "HEAD"]))
    status = draw(st.sampled_from([200, 201, 204, 206, 301, 304, 400, 404, 500, 503]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    fields = draw(st.lists(st.tuples(names, values), max_size=6))
    framings = ["length", "close"] + (["chunked"] if version == "1.1" else [])
    framing = draw(st.sampled_from(framings))
    bodiless = method == "HEAD" or status in BODILESS
    body = draw(bodies)
    lines = [f"HTTP/{version} {status} {draw(reasons)}", *(f"{name}: {value}" for name, value in fields)]
    if framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    interim = draw(
        st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
    )
    wire = draw(chunked(body)) if framing == "chunked" else body
    return Message(
        raw=interim + head + (b"" if bodiless else wire),
        method=method,
        status=status,
        fields=fields,
        body=b"" if bodiless else body,
        ends_by_close=framing == "close" and not bodiless,
    )


@st.composite
def pieces(draw: st.DrawFn, raw: bytes) -> list[bytes]:
    """The bytes as reads may bring them: in any pieces, none of them empty."""
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=12))) if len(raw) > 1 else []
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True) if a < b]


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A valid answer with some bytes replaced, dropped, doubled or put in."""
    raw = bytearray(draw(messages()).raw)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        till = min(len(raw), at + draw(st.integers(0, 8)))
        raw[at:till] = draw(
            st.binary(max_size=8) | st.sampled_from([b"\r\n", b"\n", b" ", b"\x00", bytes(raw[at:till]) * 2])
        )
        if not raw:
            return b"H"
    return bytes(raw)


garbage = spoilt() | st.binary(min_size=1, max_size=400) | st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 " + tail)
