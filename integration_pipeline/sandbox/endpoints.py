"""From an HTTP request to a vendor's route and back: one ASGI endpoint for each route of each mount."""

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.routing import Match
from starlette.routing import Route as HttpRoute
from starlette.types import Receive, Scope, Send

from integration_pipeline.sandbox.delivery import Courier
from integration_pipeline.sandbox.faults import Delivery, Faults, Played
from integration_pipeline.sandbox.requests import Request, Requests
from integration_pipeline.sandbox.vendor import Call, Mount, Reply, Route, Vendor
from integration_pipeline.sandbox.world import World


class Desk:
    """What all endpoints share."""

    def __init__(self, world: World, faults: Faults, requests: Requests, courier: Courier) -> None:
        self.world = world
        self.faults = faults
        self.requests = requests
        self.courier = courier
        self.routes = [
            route for vendor in world.vendors for mount in vendor.mounts for route in self._of(vendor, mount)
        ]

    def _of(self, vendor: Vendor, mount: Mount) -> list[HttpRoute]:
        known = [
            HttpRoute(mount.prefix + route.path, Endpoint(self, vendor, mount, route), methods=list(route.methods))
            for route in mount.routes
        ]
        unknown = Endpoint(self, vendor, mount, None)
        return [*known, HttpRoute(mount.prefix + "{rest:path}", unknown)]

    def resolve(self, method: str, path: str) -> "tuple[Endpoint, Mapping[str, str]] | None":
        """The endpoint of a path, for the parts of batches."""
        for route in self.routes:
            match, found = route.matches({"type": "http", "method": method, "path": path})
            if match is Match.FULL:
                endpoint: Endpoint = found["endpoint"]
                return endpoint, found["path_params"]
        return None


class Endpoint:
    """One route, as an ASGI application. Without a route, it answers what the vendor says to unknown paths."""

    def __init__(self, desk: Desk, vendor: Vendor, mount: Mount, route: Route | None) -> None:
        self._desk = desk
        self._vendor = vendor
        self._mount = mount
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        host, port = scope["server"]
        call = self.call(
            base_url=f"http://{host}:{port}",
            method=request.method,
            path=scope["path"],
            params=request.path_params,
            raw_query=scope["query_string"].decode("latin-1"),
            headers=dict(request.headers),
            body=await request.body(),
        )
        played = self.play(call, is_part=False)
        await self._desk.courier.deliver(scope, receive, send, played)

    def call(
        self,
        *,
        base_url: str,
        method: str,
        path: str,
        params: Mapping[str, str],
        raw_query: str,
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
            base_url=base_url,
            mount_url=base_url + self._mount.prefix.rstrip("/"),
            now=self._desk.world.clock(),
            find=lambda name: self._desk.world.find(self._vendor.system, name),
            again=self._part,
        )
        return call if self._route is None else replace(call, workspace=self._vendor.identify(call, self._route))

    def play(self, call: Call, *, is_part: bool) -> Played:
        """Answer a call, faults included, and log it before anybody sees the answer."""
        if self._route is None:
            played = Played(self._vendor.unknown(call), Delivery.WHOLE)
        else:
            played = self._desk.faults.play(self._vendor, self._route, call)
        tenant_id = call.workspace.tenant_id if call.workspace else None
        name = self._route.name if self._route else "unknown"
        status = played.reply.status
        self._desk.requests.add(
            Request(tenant_id, self._vendor.system, name, call.method, call.path, call.raw_query, status, is_part)
        )
        return played

    def _part(self, outer: Call, method: str, url: str, headers: Mapping[str, str]) -> Reply:
        """A part of a batch, answered with the batch's credentials."""
        path, _, raw_query = url.partition("?")
        full_path = self._mount.prefix + path.lstrip("/")
        found = self._desk.resolve(method, full_path)
        if found is None:
            return self._vendor.unknown(outer)
        endpoint, params = found
        kept = {name: value for name, value in outer.headers.items() if name == "authorization"}
        call = endpoint.call(
            base_url=outer.base_url,
            method=method,
            path=full_path,
            params=params,
            raw_query=raw_query,
            headers={**kept, **headers},
            body=b"",
        )
        return endpoint.play(call, is_part=True).reply
