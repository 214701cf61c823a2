"""A server alone: answers every request at once, says under /served how many it has had, may be stopped and go on.

Under /hangs it never answers.

Run as `plain_site.py`; prints its port.
"""

from __future__ import annotations

import asyncio

BACKLOG = 4096  # who comes while it is stopped waits here, and is not refused
served = 0


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global served  # noqa: PLW0603  one program, one count
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            served += 1
            if head.startswith(b"GET /hangs"):
                await asyncio.Event().wait()
            closes = b"connection: close" in head.lower()
            status = b"500 Oops" if head.startswith(b"GET /fails") else b"200 OK"
            body = str(served).encode()
            writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
            if closes:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
