"""How a reply reaches the client: whole, slowly, in part, or not at all."""

import asyncio
import socket
import struct
import threading

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from integration_pipeline.sandbox.faults import Delivery, Played

_DRIP_SECONDS = 0.05


class Courier:
    """Delivers the replies of one server, and knows the calls it keeps waiting."""

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None
        self._released = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_hanging = threading.Event()

    def release(self) -> None:
        """Let go of every call that hangs or drips, from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._let_go)

    def wait_until_a_call_hangs(self, timeout_seconds: float) -> bool:
        found = self._is_hanging.wait(timeout_seconds)
        self._is_hanging.clear()
        return found

    def _let_go(self) -> None:
        released, self._released = self._released, asyncio.Event()
        released.set()

    async def _cut(self, scope: Scope, receive: Receive, *, is_hard: bool) -> None:
        """Cut the connection that a call came by.

        :param is_hard: by a reset instead of an end.
        """
        connections = self.server.server_state.connections if self.server else set()
        for connection in list(connections):
            if getattr(connection, "client", None) == scope["client"] and connection.transport is not None:
                if is_hard:
                    raw = connection.transport.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.transport.abort()
        # The server must have noticed before this call ends, or it would answer for us.
        while (await receive())["type"] != "http.disconnect":
            pass

    async def deliver(self, scope: Scope, receive: Receive, send: Send, played: Played) -> None:
        reply, delivery = played
        self._loop = asyncio.get_running_loop()
        if delivery is Delivery.NEVER:
            self._is_hanging.set()
            await self._wait(receive)
        if delivery in (Delivery.NEVER, Delivery.CUT_BEFORE):
            await self._cut(scope, receive, is_hard=True)
            return
        accepts_zipped = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        body = reply.body if reply.is_zipped and accepts_zipped else reply.plain()
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        headers.append((b"content-length", str(len(body)).encode()))
        if reply.is_zipped and accepts_zipped:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if delivery is Delivery.CUT_WITHIN:
            await send(_body(body[: len(body) // 2], is_more=True))
            await self._cut(scope, receive, is_hard=False)
            return
        if delivery is Delivery.SLOWLY:
            body = await self._drip(body, receive, send)
        await send(_body(body, is_more=False))

    async def _drip(self, body: bytes, receive: Receive, send: Send) -> bytes:
        """Send byte by byte until released; what is left comes back."""
        waiting = asyncio.ensure_future(self._wait(receive))
        try:
            while body and not waiting.done():
                await send(_body(body[:1], is_more=True))
                body = body[1:]
                await asyncio.wait([waiting], timeout=_DRIP_SECONDS)
        finally:
            waiting.cancel()
        return body

    async def _wait(self, receive: Receive) -> None:
        """Until released, or until the client has gone."""
        released = asyncio.ensure_future(self._released.wait())
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait([released, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            released.cancel()
            gone.cancel()


def _body(content: bytes, *, is_more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": is_more}
