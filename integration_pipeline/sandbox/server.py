"""The sandbox: every provider of the registry, imitated on one port of this machine.

``Sandbox(world).start()``, the pipeline pointed at it by ``environment``, ``stop()``. For demos, rehearsals, tests, benchmarks.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as HttpRoute

from integration_pipeline.errors import UsageError
from integration_pipeline.sandbox.delivery import Courier
from integration_pipeline.sandbox.endpoints import Desk
from integration_pipeline.sandbox.faults import Faults
from integration_pipeline.sandbox.requests import Requests
from integration_pipeline.sandbox.world import World

HOST = "127.0.0.1"
_START_SECONDS = 60


class _Server(uvicorn.Server):
    """uvicorn, but without its pauses of a tenth of a second: tests start and stop hundreds of sandboxes."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.close()
        # Their sockets are closed in the loop's next round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class Sandbox:
    """A world, served.

    ``world`` may be changed while it is served (the next night), ``faults`` scripted, ``requests`` counted.

    :param port: 0 = any that is free.
    """

    def __init__(self, world: World, *, port: int = 0) -> None:
        self.world = world
        self.faults = Faults(world.faults)
        self.requests = Requests()
        self._courier = Courier()
        self._wanted_port = port
        self._port: int | None = None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        desk = Desk(world, self.faults, self.requests, self._courier)
        files = [
            HttpRoute("/", self._help),
            HttpRoute("/tenants.csv", _file(world.tenants_csv)),
            HttpRoute("/users.csv", _file(world.users_csv)),
            HttpRoute("/connections.json", _file(world.connections_json)),
            HttpRoute("/spreadsheets.json", _file(world.spreadsheets_json)),
        ]
        self.app = Starlette(routes=[*files, *desk.routes])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve, in a thread that ends with the process. Returns when calls are answered.

        :raises UsageError: the port is taken.
        """
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._wanted_port))
            listener.listen(256)
        except OSError as error:
            listener.close()
            raise UsageError(f"the sandbox cannot listen on port {self._wanted_port}: {error.strerror}") from error
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            lifespan="off",
            loop="asyncio",
            ws="none",
            date_header=False,
            timeout_keep_alive=60,
        )
        server = self._server = self._courier.server = _Server(config)
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise UsageError("the sandbox did not start")
            time.sleep(0.002)

    def stop(self) -> None:
        """End. Calls that hang are cut."""
        if self._thread is None or self._server is None:
            return
        self.release()
        self._server.end()
        self._thread.join(timeout=60)
        self._thread = None

    def release(self) -> None:
        """Let go of every call that hangs or drips: the former are cut, the latter end."""
        self._courier.release()

    def wait_until_a_call_hangs(self, timeout_seconds: float = 60) -> bool:
        """Wait for a call to meet a ``hang``; once for each."""
        return self._courier.wait_until_a_call_hangs(timeout_seconds)

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
            mount.variable: self.url + mount.prefix + mount.variable_path
            for vendor in self.world.vendors
            for mount in vendor.mounts
            if mount.variable
        }

    def describe(self) -> list[tuple[str, str, str]]:
        """What is imitated: system, methods and path, one line of what it does."""
        return [
            (vendor.system, f"{'|'.join(route.methods)} {mount.prefix}{route.path}", route.imitates)
            for vendor in self.world.vendors
            for mount in vendor.mounts
            for route in mount.routes
        ]

    def _help(self, _request: HttpRequest) -> Response:
        lines = [f"{system:<15}{path:<70}{imitates}" for system, path, imitates in self.describe()]
        tenants = list(self.world.tenants)
        more = f" and {len(tenants) - 20} more" if len(tenants[20:]) else ""
        files = [
            f"{'':<15}{'GET /tenants.csv, /users.csv, /connections.json, /spreadsheets.json':<70}what imports read",
            "",
            f"Tenants: {', '.join(tenants[:20])}{more}",
        ]
        return PlainTextResponse("\n".join(["The sandbox imitates:", "", *lines, *files, ""]))


def _file(make: Callable[[], str]) -> Callable[[HttpRequest], Response]:
    def answer(_request: HttpRequest) -> Response:
        return PlainTextResponse(make())

    return answer
