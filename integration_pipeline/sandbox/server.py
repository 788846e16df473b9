"""The sandbox: every provider of the registry, imitated on one port of this machine.

``Sandbox(world).start()``, the pipeline pointed at it by ``environment``, ``stop()``. For demos, rehearsals, tests, benchmarks.
"""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Match
from starlette.routing import Route as HttpRoute
from starlette.types import Message, Receive, Scope, Send

from integration_pipeline.errors import UsageError
from integration_pipeline.sandbox.faults import Delivery, Faults, Played
from integration_pipeline.sandbox.requests import Request, Requests
from integration_pipeline.sandbox.vendor import Call, Mount, Reply, Route, Vendor
from integration_pipeline.sandbox.world import World

HOST = "127.0.0.1"
_START_SECONDS = 10
_DRIP_SECONDS = 0.05


class Sandbox:
    """A world, served.

    :param port: 0 = any that is free.
    """

    def __init__(self, world: World, *, port: int = 0) -> None:
        self.world = world
        self.faults = Faults(world.faults)
        self.requests = Requests()
        self._wanted_port = port
        self._port: int | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._released = asyncio.Event()
        self._is_hanging = threading.Event()
        self.app = Starlette(routes=self._routes())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Life

    def start(self) -> None:
        """Serve, in a thread that ends with the process. Returns when calls are answered.

        :raises UsageError: the port is taken.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._wanted_port))
        except OSError as error:
            listener.close()
            raise UsageError(f"the sandbox cannot listen on port {self._wanted_port}: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        server = self._server = uvicorn.Server(config)
        # Listening before the thread runs: a call made now waits in the queue instead of being refused.
        listener.listen(256)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise UsageError("the sandbox did not start")
            time.sleep(0.002)

    def stop(self) -> None:
        if self._server is None or self._thread is None:
            return
        self.release()
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._server = self._thread = self._loop = None

    @property
    def url(self) -> str:
        """Where it answers, without a slash at its end."""
        if self._port is None:
            raise RuntimeError("the sandbox was not started")
        return f"http://{HOST}:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point the pipeline here."""
        return {
            mount.variable: self.url + mount.prefix
            for vendor in self.world.vendors
            for mount in vendor.mounts
            if mount.variable
        }

    def release(self) -> None:
        """Let go of every call that hangs or drips: the former are cut, the latter end."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._let_go)

    def wait_until_a_call_hangs(self, timeout_seconds: float = 10) -> bool:
        """Wait for a call to meet a ``hang``; once for each."""
        found = self._is_hanging.wait(timeout_seconds)
        self._is_hanging.clear()
        return found

    def _let_go(self) -> None:
        released, self._released = self._released, asyncio.Event()
        released.set()

    # Routes

    def _routes(self) -> list[BaseRoute]:
        routes: list[BaseRoute] = [
            HttpRoute("/", self._help),
            HttpRoute("/tenants.csv", self._file(self.world.tenants_csv)),
            HttpRoute("/users.csv", self._file(self.world.users_csv)),
            HttpRoute("/connections.json", self._file(self.world.connections_json)),
        ]
        for vendor in self.world.vendors:
            for mount in vendor.mounts:
                for route in mount.routes:
                    endpoint = _Endpoint(self, vendor, mount, route)
                    routes.append(HttpRoute(mount.prefix + route.path, endpoint, methods=list(route.methods)))
                unknown = Route(("GET",), "{rest:path}", "unknown", "", vendor.unknown, is_open=True)
                routes.append(
                    HttpRoute(mount.prefix + unknown.path, _Endpoint(self, vendor, mount, unknown, is_known=False))
                )
        return routes

    def describe(self) -> list[tuple[str, str, str]]:
        """What is imitated: system, method and path, one line each."""
        return [
            (vendor.system, f"{'|'.join(route.methods)} {mount.prefix}{route.path}", route.imitates)
            for vendor in self.world.vendors
            for mount in vendor.mounts
            for route in mount.routes
        ]

    def _help(self, _request: HttpRequest) -> Response:
        lines = [f"{system:<11}{path:<70}{imitates}" for system, path, imitates in self.describe()]
        files = [
            "           GET /tenants.csv, /users.csv, /connections.json".ljust(81) + "what the import commands read",
            f"{len(self.world.tenants)} tenants: {', '.join(list(self.world.tenants)[:20])}",
        ]
        return PlainTextResponse("\n".join(["The sandbox imitates:", *lines, *files, ""]))

    def _file(self, make: Callable[[], str]) -> Callable[[HttpRequest], Response]:
        def answer(_request: HttpRequest) -> Response:
            return PlainTextResponse(make())

        return answer

    # Calls

    def resolve(self, method: str, path: str) -> "tuple[_Endpoint, Mapping[str, str]] | None":
        """The endpoint of a path, for the parts of batches."""
        for route in self.app.routes:
            match, child = route.matches({"type": "http", "method": method, "path": path})
            if match is Match.FULL and isinstance(endpoint := child["endpoint"], _Endpoint):
                return endpoint, child["path_params"]
        return None

    def note(self, call: Call, vendor: Vendor, route: Route, reply: Reply, *, is_part: bool) -> None:
        tenant_id = call.workspace.tenant_id if call.workspace else None
        self.requests.add(
            Request(tenant_id, vendor.system, route.name, call.method, call.path, call.raw_query, reply.status, is_part)
        )

    def cut(self, scope: Scope, *, is_hard: bool) -> None:
        """Cut the connection that a call came by.

        :param is_hard: by a reset instead of an end.
        """
        connections = self._server.server_state.connections if self._server else set()
        for connection in list(connections):
            if connection.transport is not None and connection.transport.get_extra_info("peername") == tuple(
                scope["client"]
            ):
                raw = connection.transport.get_extra_info("socket")
                if is_hard:
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.transport.abort()

    async def deliver(self, scope: Scope, receive: Receive, send: Send, played: Played) -> None:
        reply, delivery = played
        if delivery is Delivery.NEVER:
            self._is_hanging.set()
            await self._wait(receive)
        if delivery in (Delivery.NEVER, Delivery.CUT_BEFORE):
            self.cut(scope, is_hard=True)
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
            self.cut(scope, is_hard=False)
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

    def joined(self) -> None:
        """Remember the loop that serves, so that other threads can reach it."""
        self._loop = asyncio.get_running_loop()


def _body(content: bytes, *, is_more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": is_more}


class _Endpoint:
    """One route, as an ASGI application."""

    def __init__(self, sandbox: Sandbox, vendor: Vendor, mount: Mount, route: Route, *, is_known: bool = True) -> None:
        self._sandbox = sandbox
        self._vendor = vendor
        self._mount = mount
        self._route = route
        self._is_known = is_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._sandbox.joined()
        request = HttpRequest(scope, receive)
        call = self._call(
            method=request.method,
            path=scope["path"],
            raw_query=scope["query_string"].decode("latin-1"),
            params=request.path_params,
            headers=dict(request.headers),
            body=await request.body(),
        )
        played = self._play(call)
        self._sandbox.note(call, self._vendor, self._route, played.reply, is_part=False)
        await self._sandbox.deliver(scope, receive, send, played)

    def _call(
        self,
        *,
        method: str,
        path: str,
        raw_query: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Call:
        call = Call(
            method=method,
            path="/" + path.removeprefix(self._mount.prefix),
            params=params,
            query=parse_qsl(raw_query, keep_blank_values=True),
            headers=headers,
            body=body,
            raw_query=raw_query,
            base_url=self._sandbox.url,
            mount_url=self._sandbox.url + self._mount.prefix.rstrip("/"),
            now=self._sandbox.world.clock(),
            find=lambda name: self._sandbox.world.find(self._vendor.system, name),
            again=self._again,
        )
        return replace(call, workspace=self._vendor.identify(call, self._route)) if self._is_known else call

    def _play(self, call: Call) -> Played:
        if not self._is_known:
            return Played(self._vendor.unknown(call), Delivery.WHOLE)
        return self._sandbox.faults.play(self._vendor, self._route, call)

    def _again(self, outer: Call, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        """A part of a batch, answered with the batch's credentials."""
        path, _, raw_query = url.partition("?")
        full_path = self._mount.prefix + path.lstrip("/")
        found = self._sandbox.resolve(method, full_path)
        if found is None:
            return self._vendor.unknown(outer)
        endpoint, params = found
        kept = {name: value for name, value in outer.headers.items() if name == "authorization"}
        call = endpoint._call(  # noqa: SLF001 - a sibling of the same class
            method=method, path=full_path, raw_query=raw_query, params=params, headers={**kept, **headers}, body=b""
        )
        reply = endpoint._play(call).reply  # noqa: SLF001
        self._sandbox.note(call, self._vendor, endpoint._route, reply, is_part=True)  # noqa: SLF001
        return reply
