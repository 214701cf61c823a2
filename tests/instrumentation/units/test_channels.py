"""Messages to consumers of Channels are units of work, sync or async."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadlab.model.metrics import ProcessRole, UnitKind

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("channels", reason="Channels is not installed: pip install loadlab[workers]")
pytestmark = pytest.mark.process

PROGRAM = """
import asyncio
import django
django.setup()
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.testing import WebsocketCommunicator
import work

class Plain(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        work.done(text_data)
        self.send(text_data="done")

class Async(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await database_sync_to_async(work.done)(text_data)
        await database_sync_to_async(work.done)(text_data)  # which closes old connections in between
        await self.send(text_data="done")

async def talk():
    for consumer in (Plain, Async):
        client = WebsocketCommunicator(consumer.as_asgi(), "/")
        assert (await client.connect())[0]
        for what in ["nothing", "queries", "queries", "reconnects"]:
            await client.send_to(text_data=what)
            assert await client.receive_from(timeout=100) == "done"
        await client.disconnect(timeout=100)

asyncio.run(talk())
"""


def test_messages_count_once_each_and_find_the_connection_that_is_kept(project: TaskProject) -> None:
    project.write("program.py", PROGRAM)
    project.run("program.py")
    totals = project.totals()
    assert totals is not None
    messages = totals.units[UnitKind.MESSAGE]
    assert sum(messages) == 6
    assert messages == (1, 5)
    assert totals.units[UnitKind.OTHER] == (0, 0)
    assert totals.roles[ProcessRole.WEB] == (0, totals.opened)
