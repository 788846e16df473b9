"""LINE WORKS API 2.0, imitated from its documentation (developers.worksmobile.com)."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from integration_pipeline.providers.lineworks.sandbox import auth
from integration_pipeline.providers.lineworks.sandbox.data import (
    bot_detail,
    bot_row,
    domain_ids,
    group_row,
    populate,
    unit_row,
    user_row,
)
from integration_pipeline.sandbox.tables import Account, App, Team
from integration_pipeline.sandbox.vendor import (
    Call,
    Limit,
    Mount,
    Over,
    Reply,
    Route,
    Vendor,
    Window,
    Workspace,
    cut,
    json_reply,
    whole_seconds,
)

_CURSOR_START = b"\xfb\xef\xbe\xff\xff\xff"
"""Its base64 is ``++++////``: a cursor that is not URL-encoded breaks at once, and not only now and then."""
_STATUSES = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "ACCESS_DENIED": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "DELETED": 410,
    "TOO_MANY_REQUESTS": 429,
    "INTERNAL_SERVER_ERROR": 500,
}
_ELSEWHERE = "/line-works-2/v1.0/"


def refused(code: str, description: str, status: int | None = None) -> Reply:
    return json_reply({"code": code, "description": description}, status or _STATUSES.get(code, 400))


def _encode_cursor(position: str) -> str:
    text = _CURSOR_START + position.encode()
    return base64.b64encode(text if len(text) % 3 else text + b" ").decode()


def _decode_cursor(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, validate=True).removeprefix(_CURSOR_START).decode().strip()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _list(call: Call, name: str, rows: list[Any], write: Callable[[Any], Any], default: int = 100) -> Reply:
    """A page of a listing: ``count`` rows from ``cursor`` on; the last page's ``nextCursor`` is null."""
    count = call.asks("count") or str(default)
    if not count.isdecimal() or not 1 <= int(count) <= 100:  # noqa: PLR2004 - the documented range
        return refused("INVALID_PARAMETER", "count is out of range.")
    cursor = call.asks("cursor")
    page = cut(len(rows), _decode_cursor(cursor) if cursor else "0", int(count), call.at.plan)
    if page is None:
        return refused("INVALID_PARAMETER", "cursor is not valid.")

    def make() -> Reply:
        following = _encode_cursor(page.next_position) if page.next_position else None
        body = {
            name: [write(row) for row in rows[page.start : page.stop]],
            "responseMetaData": {"nextCursor": following},
        }
        return json_reply(body)

    return call.at.page((call.path, page, call.asks("domainId")), make)


def _of_domain(call: Call, table: str, rows: Callable[[], list[Any]]) -> list[Any] | Reply:
    """The rows of the domain asked for; a call covers one, the app's own where none is named."""
    domains = domain_ids(call.at.tenant, call.at.plan.domains)
    wanted = call.asks("domainId") or str(domains[0])
    if not wanted.isdecimal():
        return refused("INVALID_PARAMETER", "domainId is not valid.")
    domain_id = int(wanted)
    if domain_id not in domains:
        return refused("ACCESS_DENIED", "Access is denied.")
    source = call.at.users if table == "users" else call.at.teams
    found: list[Any] = source.derived((table, domain_id), lambda: [row for row in rows() if row.domain_id == domain_id])
    return found


def users(call: Call) -> Reply:
    found = _of_domain(call, "users", call.at.users.rows)

    def write(user: Account) -> dict[str, Any]:
        return user_row(user, plan=call.at.plan)

    return found if isinstance(found, Reply) else _list(call, "users", found, write)


def user(call: Call) -> Reply:
    wanted = call.params["user"]

    def is_wanted(row: Account) -> bool:
        return wanted in (row.id, row.email, f"externalKey:{row.external_key}")

    found = next((row for row in call.at.users if is_wanted(row)), None)
    if found is None:
        return refused("ACCESS_DENIED", "Access is denied.")
    return json_reply(user_row(found, plan=call.at.plan))


def groups(call: Call) -> Reply:
    found = _of_domain(call, "groups", lambda: call.at.teams.rows("GROUP"))
    return found if isinstance(found, Reply) else _list(call, "groups", found, group_row)


def group_members(call: Call) -> Reply:
    group: Team | None = call.at.teams.get(call.params["group"])
    if group is None or group.kind != "GROUP":
        return refused("ACCESS_DENIED", "Access is denied.")
    members = [{"id": member, "type": "USER", "externalKey": None} for member in group.member_ids]
    return _list(call, "members", members, lambda member: member)


def org_units(call: Call) -> Reply:
    found = _of_domain(call, "orgunits", lambda: call.at.teams.rows("ORG_UNIT"))
    return found if isinstance(found, Reply) else _list(call, "orgUnits", found, unit_row)


def bots(call: Call) -> Reply:
    return _list(call, "bots", call.at.apps.rows(), bot_row, default=50)


def _bot(call: Call) -> App | Reply:
    return call.at.apps.get(call.params["bot"]) or refused("ACCESS_DENIED", "Access is denied.")


def bot(call: Call) -> Reply:
    found = _bot(call)
    return found if isinstance(found, Reply) else json_reply(bot_detail(found))


def bot_domains(call: Call) -> Reply:
    found = _bot(call)
    if isinstance(found, Reply):
        return found
    domains = [{"domainId": key, "visible": True, "allowToSelectedMember": False} for key in found.domain_ids]
    return _list(call, "domains", domains, lambda row: row, default=50)


# The frame


def _identify(call: Call, route: Route) -> Workspace | None:
    if route.is_open:
        form = dict(pair.partition("=")[::2] for pair in call.body.decode().split("&"))
        return call.find(form.get("client_id", ""))
    issued = auth.understood(call.bearer)
    return call.find(issued.tenant_id) if issued else None


def _admit(call: Call, route: Route) -> Reply | None:
    if route.is_open:
        return None
    issued = auth.understood(call.bearer)
    if issued is None or call.workspace is None or issued.purpose != "access":
        return refused("UNAUTHORIZED", "Malformed authentication token")
    if call.at.plan.redirects and _ELSEWHERE not in call.mount_url + "/":
        query = f"?{call.raw_query}" if call.raw_query else ""
        return Reply(307, b"", {"location": f"{call.base_url}{_ELSEWHERE}{call.path.lstrip('/')}{query}"})
    access = call.workspace.access
    access.notice(issued)
    if access.problem or access.has_expired(issued, call.now):
        return refused("UNAUTHORIZED", "Authentication token has expired")
    if not issued.scopes.intersection(route.needs):
        return refused("FORBIDDEN", "The scope of the token does not cover this API.")
    return None


def _finish(_call: Call, route: Route, reply: Reply, window: Window | None) -> Reply:
    """Where the caller stands: the answer to a rate limit is here, in seconds left, and in no Retry-After."""
    if window is None or route.is_open or not _call.at.has_limits:
        return reply
    limit = route.limits[0].requests
    seconds = whole_seconds(window.ends_at - _call.now)
    remaining = str(max(0, limit - window.used))
    return reply.with_headers(rateLimit_limit=str(limit), rateLimit_remaining=remaining, rateLimit_reset=seconds)


def _too_many(retry_after: str | None) -> Reply:
    reply = refused("TOO_MANY_REQUESTS", "API rate limit exceeded")
    return reply if retry_after is None else reply.with_headers(Retry_After=retry_after)


def _over(_over: Over) -> Reply:
    return _too_many(None)


def _get(path: str, imitates: str, handle: Callable[[Call], Reply], *scopes: str) -> Route:
    """240 requests a minute for each operation (developers.worksmobile.com, "Rate limits")."""
    name = f"GET /{path}"
    return Route(("GET",), path, name, imitates, handle, scopes, (Limit(name, 240, 60),))


_USER = ("user", "user.read", "directory", "directory.read")
_GROUP = ("group", "group.read", "directory", "directory.read")
_UNIT = ("orgunit", "orgunit.read", "directory", "directory.read")
_BOT = ("bot", "bot.read")

_API = (
    _get("users", "the members of one domain, by 100, in the order of their making", users, *_USER),
    _get("users/{user}", "one member by id, e-mail address or external key", user, *_USER),
    _get("groups", "the groups of one domain, with their members", groups, *_GROUP),
    _get("groups/{group}/members", "a group's members", group_members, *_GROUP),
    _get("orgunits", "the organisational units of one domain", org_units, *_UNIT),
    _get("bots", "bots, by 50, without their callback settings", bots, *_BOT),
    _get("bots/{bot}", "one bot with its callback settings", bot, *_BOT),
    _get("bots/{bot}/domains", "the domains a bot is registered in", bot_domains, *_BOT),
)
_AUTH = (
    Route(
        ("POST",),
        "token",
        "POST /token",
        "JWT grant of a service account, and refresh",
        auth.token,
        is_open=True,
    ),
)

SANDBOX = Vendor(
    system="LINE_WORKS",
    mounts=(
        Mount("/line-works/v1.0/", _API, "INTEGRATION_PIPELINE_LINE_WORKS_URL"),
        Mount(_ELSEWHERE, _API),
        Mount("/line-works-auth/oauth2/v2.0/", _AUTH, "INTEGRATION_PIPELINE_LINE_WORKS_AUTH_URL"),
    ),
    populate=populate,
    access=auth.access,
    names=lambda tenant: (auth.client_id(tenant),),
    connection=auth.connection,
    identify=_identify,
    admit=_admit,
    over=_over,
    error=lambda code, status: refused(code, "The request failed.", status),
    too_many=_too_many,
    unknown=lambda _call: refused("NOT_FOUND", "Api not exists"),
    finish=_finish,
)
