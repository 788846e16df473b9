"""What an imitated provider is: data and pure functions from a call to a reply, in ``providers/<vendor>/sandbox/``.

Made from the vendors' documentation alone; nothing here knows the pipeline's own clients.
"""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from math import ceil
from typing import Any, NamedTuple
from zlib import crc32

from integration_pipeline.registry import FOLDERS
from integration_pipeline.sandbox.access import Access
from integration_pipeline.sandbox.names import mix
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.tables import Account, App, Table, Tables, Team

_CACHED_PAGES = 4096


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_zipped: bool = False

    def plain(self) -> bytes:
        return gzip.decompress(self.body) if self.is_zipped else self.body

    def with_headers(self, **headers: str) -> "Reply":
        """Underscores in names become hyphens."""
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): v for name, v in headers.items()}})


def json_reply(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None, *, is_ascii: bool = False
) -> Reply:
    body = json.dumps(content, ensure_ascii=is_ascii, separators=(",", ":")).encode()
    return Reply(status, body, {"content-type": "application/json; charset=utf-8", **(headers or {})})


class Limit(NamedTuple):
    """At most ``requests`` in ``seconds``, for each value of the path parameter ``per`` where there is one."""

    name: str
    requests: int
    seconds: float
    per: str | None = None


class Window(NamedTuple):
    """How much of a limit is used: fixed windows, each opened by the first request after the one before."""

    ends_at: float
    used: int


class Over(NamedTuple):
    """A request over the limit."""

    limit: Limit
    seconds_left: float


class Workspace:
    """One tenant at one provider: its data, its credentials, its limits."""

    def __init__(self, vendor: "Vendor", tenant: TenantPlan, *, limits: bool) -> None:
        self.vendor = vendor
        self.tenant = tenant
        plan = tenant.plan_of(vendor.system)
        if plan is None:
            raise LookupError(f"{tenant.tenant_id} has nothing at {vendor.system}")
        self.plan = plan
        self.has_limits = limits if self.plan.limits is None else self.plan.limits
        self.access: Access = vendor.access(tenant, self.plan)
        self.windows: dict[tuple[str, str], Window] = {}
        self._pages: dict[object, Reply] = {}

    @property
    def tenant_id(self) -> str:
        return self.tenant.tenant_id

    @property
    def domain(self) -> str:
        return email_domain(self.tenant)

    @cached_property
    def origin(self) -> int:
        """What the data were made of, as a number: after a restart it is the same for the same plan, and no other's."""
        made_of = f"{seed_of(self.tenant)} {self.domain} {self.plan.model_dump_json()}"
        return crc32(made_of.encode())

    @cached_property
    def tables(self) -> Tables:
        return self.vendor.populate(self.tenant, self.plan)

    @property
    def users(self) -> Table[Account]:
        return self.tables.users

    @property
    def teams(self) -> Table[Team]:
        return self.tables.teams

    @property
    def apps(self) -> Table[App]:
        return self.tables.apps

    def page(self, name: object, make: Callable[[], Reply]) -> Reply:
        """A reply kept, packed, until the data move: big worlds are rendered once."""
        key = (name, self.users.version, self.teams.version, self.apps.version)
        if key not in self._pages:
            if len(self._pages) >= _CACHED_PAGES:
                self._pages.clear()
            reply = make()
            self._pages[key] = replace(reply, body=gzip.compress(reply.body, 1), is_zipped=True)
        return self._pages[key]

    def count(self, limit: Limit, params: Mapping[str, str], now: float) -> tuple[Window, Over | None]:
        """Count a request against a limit."""
        key = (limit.name, params.get(limit.per, "") if limit.per else "")
        window = self.windows.get(key, Window(0, 0))
        # A tenth of a second is forgiven: requests sent a full window apart can arrive a little closer.
        if now >= window.ends_at - min(0.1, limit.seconds / 10):
            window = Window(now + limit.seconds, 0)
        window = window._replace(used=window.used + 1)
        self.windows[key] = window
        is_over = self.has_limits and window.used > limit.requests
        return window, Over(limit, window.ends_at - now) if is_over else None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, once it is known what it asks for."""

    method: str
    path: str
    params: Mapping[str, str]
    """From the path."""
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    raw_query: str
    base_url: str
    """Of the sandbox, without a slash at its end."""
    mount_url: str
    """Of the mount the call came in by, without a slash at its end."""
    now: float
    """Unix seconds."""
    find: Callable[[str], Workspace | None]
    """A workspace by its tenant's id, its client id or another name that the vendor gives it."""
    again: Callable[["Call", str, str, Mapping[str, str]], Reply]
    """Answers a part of a batch: the call it came in, method, URL below the mount, headers."""
    workspace: Workspace | None = None

    @property
    def at(self) -> Workspace:
        """The workspace the call is about; only for calls that were admitted."""
        if self.workspace is None:
            raise LookupError("this call names no workspace")
        return self.workspace

    def asks(self, name: str) -> str | None:
        """A query argument, the first of its name."""
        return next((value for key, value in self.query if key == name), None)

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Route:
    """One thing the provider answers.

    :param name: what logs, faults and limits call it.
    :param imitates: one line, shown at the sandbox's ``/`` and in its README.
    :param needs: any one of these scopes or permissions; none = all may.
    :param is_open: needs no token (the token endpoint itself).
    """

    methods: tuple[str, ...]
    path: str
    name: str
    imitates: str
    handle: Callable[[Call], Reply]
    needs: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a base URL of the provider is imitated."""

    prefix: str
    """With a slash at both ends."""
    routes: tuple[Route, ...]
    variable: str | None = None
    """The environment variable that names this base URL to the pipeline."""
    variable_path: str = ""
    """What follows in that variable, where it names a call and no base."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One provider, imitated. ``providers/<vendor>/sandbox/`` exports one as ``SANDBOX``."""

    system: str
    mounts: tuple[Mount, ...]
    populate: Callable[[TenantPlan, SystemPlan], Tables]
    access: Callable[[TenantPlan, SystemPlan], Access]
    names: Callable[[TenantPlan], Sequence[str]]
    """What a workspace goes by, besides its tenant's id: its client id, its directory id."""
    connection: Callable[[Workspace, float], Mapping[str, Any]]
    """The vendor's part of an entry of ``connections import``, at this time."""
    identify: Callable[[Call, Route], Workspace | None]
    admit: Callable[[Call, Route], Reply | None]
    """Checks the token and its scopes: a refusal, or None."""
    over: Callable[[Over], Reply]
    """The vendor's own "too many requests"."""
    error: Callable[[str, int | None], Reply]
    """An error code in the vendor's own form, with a status where the form leaves it open."""
    too_many: Callable[[str | None], Reply]
    """The same as ``over``, with a Retry-After that is given as it stands, or none."""
    unknown: Callable[[Call], Reply]
    """What the vendor answers to a path it does not know."""
    finish: Callable[[Call, Route, Reply, Window | None], Reply] = lambda _call, _route, reply, _window: reply
    """Adds the headers that every answer of the vendor has."""
    workspace: Callable[..., Workspace] = Workspace
    """Makes a tenant's workspace, where the vendor keeps other things than accounts, teams and apps in it."""


def answer(vendor: Vendor, route: Route, call: Call) -> Reply:
    """What the provider answers when nothing is wrong with it."""
    refusal = vendor.admit(call, route)
    if refusal is not None:
        return vendor.finish(call, route, refusal, None)
    window = None
    for limit in route.limits if call.workspace else ():
        window, over = call.at.count(limit, call.params, call.now)
        if over:
            return vendor.finish(call, route, vendor.over(over), window)
    return vendor.finish(call, route, route.handle(call), window)


def whole_seconds(seconds: float) -> str:
    return str(max(1, ceil(seconds)))


def seed_of(tenant: TenantPlan) -> int:
    """The tenant's own seed: of two tenants planned alike, each has its own people and ids."""
    return mix(tenant.seed, crc32(tenant.tenant_id.encode()))


def email_domain(tenant: TenantPlan) -> str:
    if tenant.domain:
        return tenant.domain
    slug = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in tenant.tenant_id.lower())
    return f"{slug.strip('-') or 'company'}.example"


class Cut(NamedTuple):
    """A page cut out of a list: from where to where, and the position that the next one is asked by."""

    start: int
    stop: int
    next_position: str | None


def cut(total: int, position: str, size: int, plan: SystemPlan) -> Cut | None:
    """Cut a page. A position is a number, with ``e`` behind it where an empty page is due first; None = no position."""
    is_empty_page = position.endswith("e")
    digits = position[:-1] if is_empty_page else position
    if not digits.isdecimal():
        return None
    start = int(digits)
    if is_empty_page:
        return Cut(start, start, str(start))
    stop = min(start + min(size, plan.page_size or size), total)
    following = None if stop >= total else f"{stop}e" if plan.empty_pages else str(stop)
    return Cut(start, stop, following)


def vendors() -> tuple[Vendor, ...]:
    """Every provider of the registry, as its folder imitates it, and where KPIs are published."""
    folders = [*(f"providers.{folder}" for folder in FOLDERS.values()), "publish"]
    found: list[Vendor] = [import_module(f"integration_pipeline.{folder}.sandbox").SANDBOX for folder in folders]
    return tuple(found)
