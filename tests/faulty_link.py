"""A TCP link that tests can spoil: what the network and a failover do to a database connection.

The product's own proxy adds latency and nothing else. This one cuts, drips, drops and leads elsewhere.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

from patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from types import TracebackType

LOOPBACK: Final = "127.0.0.1"
PIECE_BYTES: Final = 64 * 1024
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER, on and for no time: closing sends a reset


@dataclass(slots=True)
class Fault:
    """What is wrong with a link, in both directions but for `limit_bytes`.

    `reset`: a connection is reset as soon as its client has said something. `blackhole`: nothing passes any more.
    `limit_bytes`: so many bytes of the server's reach the client of each connection, then it is reset.
    """

    mode: Literal["none", "reset", "blackhole"] = "none"
    latency_seconds: float = 0.0
    jitter_seconds: float = 0.0
    slice_bytes: int = PIECE_BYTES
    bytes_per_second: float = 0.0
    limit_bytes: int | None = None


class FaultyLink:
    """Listens at `host`, an address of loopback, and leads to a server's port on 127.0.0.1, which may change."""

    def __init__(self, server_port: int, *, host: str = LOOPBACK, port: int = 0) -> None:
        self.server_port = server_port
        self.fault = Fault()
        self.accepted = 0
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._random = random.Random(0)  # the same jitter each time

    def __enter__(self) -> Self:
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, sock=self._listener), self._loop)
        self._server = started.result(PATIENCE_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection that is there now."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(PATIENCE_SECONDS)

    async def _end(self) -> None:
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, hears: asyncio.StreamReader, says: asyncio.StreamWriter) -> None:
        self.accepted += 1
        end = _reset
        sides = [says]
        try:
            if self.fault.mode == "reset":
                await hears.read(1)
                return
            server_hears, server_says = await asyncio.open_connection(LOOPBACK, self.server_port)
            sides.append(server_says)
            ways = (self._carry(hears, server_says), self._carry(server_hears, says, limited=True))
            done, _ = await asyncio.wait([*map(asyncio.ensure_future, ways)], return_when=asyncio.FIRST_COMPLETED)
            if all(one.result() for one in done):
                end = asyncio.StreamWriter.close
        finally:
            for side in sides:
                end(side)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, limited: bool = False) -> bool:
        """Whether it has ended as its sender has ended it, and not by the fault."""
        passed = 0
        with suppress(ConnectionError):
            while data := await source.read(PIECE_BYTES):
                at = 0
                while at < len(data):
                    fault = self.fault
                    piece = data[at : at + fault.slice_bytes]
                    if limited and fault.limit_bytes is not None:
                        piece = piece[: max(0, fault.limit_bytes - passed)]
                        if not piece:
                            return False
                    await asyncio.sleep(self._delay(fault, len(piece)))
                    if self.fault.mode == "blackhole":
                        await asyncio.Event().wait()
                    sink.write(piece)
                    await sink.drain()
                    at += len(piece)
                    passed += len(piece)
            return True
        return False

    def _delay(self, fault: Fault, length: int) -> float:
        slow = length / fault.bytes_per_second if fault.bytes_per_second else 0.0
        return fault.latency_seconds + self._random.uniform(0, fault.jitter_seconds) + slow


def _reset(side: asyncio.StreamWriter) -> None:
    connected = side.get_extra_info("socket")
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    side.transport.abort()
