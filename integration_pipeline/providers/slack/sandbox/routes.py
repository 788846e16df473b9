"""Slack's Web API, imitated from its documentation (docs.slack.dev): methods, paging, tiers, token rotation."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from integration_pipeline.providers.slack.sandbox import auth
from integration_pipeline.providers.slack.sandbox.auth import arguments, missing, ok, refused
from integration_pipeline.providers.slack.sandbox.data import (
    bot_row,
    channel_row,
    own_bot,
    populate,
    team_id,
    user_group_row,
    user_row,
)
from integration_pipeline.sandbox.tables import Team
from integration_pipeline.sandbox.vendor import (
    Call,
    Limit,
    Mount,
    Over,
    Reply,
    Route,
    Vendor,
    Window,
    cut,
    json_reply,
    whole_seconds,
)

_TYPE_SCOPES = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "im": "im:read",
    "mpim": "mpim:read",
}
_NO_LIMIT_UP_TO = 1000
"""Rows that ``users.list`` still gives in one piece to a caller who names no limit."""


def is_set(args: Mapping[str, str], name: str) -> bool:
    """Slack understands 1 and true; Python's ``True`` it does not."""
    return args.get(name) in ("1", "true")


def _encode_cursor(kind: str, position: str) -> str:
    return base64.b64encode(f"{kind}:{position}".encode()).decode()


def _decode_cursor(kind: str, cursor: str) -> str | None:
    try:
        named, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return position if named == kind else None


def auth_test(call: Call) -> Reply:
    tenant = call.at.tenant
    bot = own_bot(tenant)
    return ok(
        {
            "url": f"https://{call.at.domain.partition('.')[0]}.slack.example/",
            "team": tenant.name,
            "user": bot.name,
            "team_id": team_id(tenant),
            "user_id": bot.user_id,
            "bot_id": bot.id,
            "is_enterprise_install": False,
        }
    )


def team_info(call: Call) -> Reply:
    domain = call.at.domain
    team = {
        "id": team_id(call.at.tenant),
        "name": call.at.tenant.name,
        "domain": domain.partition(".")[0],
        "email_domain": domain,
        "url": f"https://{domain.partition('.')[0]}.slack.example/",
        "icon": {"image_default": True},
    }
    return ok({"team": team})


def _page_size(args: Mapping[str, str], default: int, largest: int) -> int | None:
    """The limit asked for, or None where it is none that the method accepts."""
    text = args.get("limit", "")
    if text in ("", "0"):
        return default
    return int(text) if text.isdecimal() and int(text) <= largest else None


def users_list(call: Call) -> Reply:
    args = arguments(call)
    users = call.at.users.rows()
    if not args.get("limit") and not args.get("cursor") and len(users) > _NO_LIMIT_UP_TO:
        return refused("limit_required")
    # Asking for more than a thousand is answered with a thousand.
    size = min(_page_size(args, len(users), 10**9) or 1, 1000)
    position = _decode_cursor("user", args["cursor"]) if args.get("cursor") else "0"
    page = cut(len(users), position or "", size, call.at.plan)
    if page is None:
        return refused("invalid_cursor")

    def make() -> Reply:
        workspace_id, plan = team_id(call.at.tenant), call.at.plan
        with_email = "users:read.email" in call.at.access.scopes
        shown = users[page.start : page.stop]
        rows = [user_row(user, workspace_id=workspace_id, plan=plan, with_email=with_email) for user in shown]
        return ok({"members": rows, "cache_ts": 1_498_777_272, **_following("user", page.next_position)})

    return call.at.page(("users.list", page, call.at.access.scopes), make)


def _following(kind: str, position: str | None) -> Mapping[str, Any]:
    return {"response_metadata": {"next_cursor": _encode_cursor(kind, position) if position else ""}}


def users_info(call: Call) -> Reply:
    user = call.at.users.get(arguments(call).get("user", ""))
    if user is None:
        return refused("user_not_found")
    with_email = "users:read.email" in call.at.access.scopes
    return ok({"user": user_row(user, workspace_id=team_id(call.at.tenant), plan=call.at.plan, with_email=with_email)})


def conversations_list(call: Call) -> Reply:
    """Pages are cut before ``types`` and ``exclude_archived`` are looked at, so they may be short or empty."""
    args = arguments(call)
    types = [name.strip() for name in args.get("types", "public_channel").split(",")]
    if any(name not in _TYPE_SCOPES for name in types):
        return refused("invalid_types")
    for name in types:
        refusal = missing(call, (_TYPE_SCOPES[name],))
        if refusal:
            return refusal
    size = _page_size(args, 100, 999)
    if size is None:
        return refused("invalid_limit")
    # Private channels that the app is not in do not exist for it.
    channels = [row for row in call.at.teams.rows("CHANNEL") if row.visibility != "private" or row.has_app]
    position = _decode_cursor("team", args["cursor"]) if args.get("cursor") else "0"
    page = cut(len(channels), position or "", size, call.at.plan)
    if page is None:
        return refused("invalid_cursor")
    is_wanted = {"private": "private_channel" in types}
    workspace_id = team_id(call.at.tenant)
    rows = [
        channel_row(row, workspace_id=workspace_id)
        for row in channels[page.start : page.stop]
        if is_wanted.get(row.visibility, "public_channel" in types)
        and not (row.is_archived and is_set(args, "exclude_archived"))
    ]
    return ok({"channels": rows, **_following("team", page.next_position)})


def _channel(call: Call) -> Team | None:
    row = call.at.teams.get(arguments(call).get("channel", ""))
    return row if row and row.kind == "CHANNEL" and (row.has_app or row.visibility != "private") else None


def conversations_info(call: Call) -> Reply:
    channel = _channel(call)
    if channel is None:
        return refused("channel_not_found")
    return ok({"channel": channel_row(channel, workspace_id=team_id(call.at.tenant))})


def conversations_members(call: Call) -> Reply:
    args = arguments(call)
    channel = _channel(call)
    if channel is None:
        return refused("channel_not_found")
    size = _page_size(args, 100, 1000)
    position = _decode_cursor("members", args["cursor"]) if args.get("cursor") else "0"
    page = cut(len(channel.member_ids), position or "", size or 100, call.at.plan)
    if size is None or page is None:
        return refused("invalid_limit" if size is None else "invalid_cursor")
    members = list(channel.member_ids[page.start : page.stop])
    return ok({"members": members, **_following("members", page.next_position)})


def usergroups_list(call: Call) -> Reply:
    args = arguments(call)
    rows = [
        user_group_row(
            group,
            workspace_id=team_id(call.at.tenant),
            with_users=is_set(args, "include_users"),
            with_count=is_set(args, "include_count"),
        )
        for group in call.at.teams.rows("USER_GROUP")
        if not group.is_archived or is_set(args, "include_disabled")
    ]
    return ok({"usergroups": rows})


def bots_info(call: Call) -> Reply:
    app = call.at.apps.get(arguments(call).get("bot", ""))
    return ok({"bot": bot_row(app)}) if app else refused("bot_not_found")


def _finish(call: Call, route: Route, reply: Reply, _window: Window | None) -> Reply:
    if call.workspace is None:
        return reply
    granted = ",".join(sorted(call.workspace.access.scopes))
    return reply.with_headers(x_oauth_scopes=granted, x_accepted_oauth_scopes=",".join(route.needs))


def _too_many(retry_after: str | None) -> Reply:
    body = json.dumps({"ok": False, "error": "ratelimited"}).encode()
    headers = {"content-type": "application/json; charset=utf-8"}
    return Reply(429, body, headers if retry_after is None else {**headers, "Retry-After": retry_after})


def _over(over: Over) -> Reply:
    return _too_many(whole_seconds(over.seconds_left))


def _error(error: str, status: int | None) -> Reply:
    return json_reply({"ok": False, "error": error}, status or 200)


def _route(name: str, imitates: str, handle: Any, *, per_minute: int, needs: tuple[str, ...] = ()) -> Route:
    limits = (Limit(name, per_minute, 60),)
    is_open = name == "oauth.v2.access"
    return Route(("GET", "POST"), name, name, imitates, handle, needs, limits, is_open)


# Tiers: docs.slack.dev/apis/web-api/rate-limits; a bucket per method and workspace.
_ROUTES = (
    _route("auth.test", "whose token this is", auth_test, per_minute=600),
    _route("team.info", "the workspace", team_info, per_minute=50, needs=("team:read",)),
    _route(
        "users.list",
        "all users, deleted ones and bots included, in pages",
        users_list,
        per_minute=20,
        needs=("users:read",),
    ),
    _route("users.info", "one user", users_info, per_minute=100, needs=("users:read",)),
    _route("conversations.list", "channels, in pages cut before they are filtered", conversations_list, per_minute=20),
    _route("conversations.info", "one channel", conversations_info, per_minute=50, needs=("channels:read",)),
    _route(
        "conversations.members",
        "the ids of a channel's members",
        conversations_members,
        per_minute=100,
        needs=("channels:read",),
    ),
    _route("usergroups.list", "user groups, all at once", usergroups_list, per_minute=20, needs=("usergroups:read",)),
    _route("bots.info", "one bot", bots_info, per_minute=50, needs=("users:read",)),
    _route(
        "oauth.v2.access",
        "refresh of a rotated token; each refresh token works once",
        auth.oauth_v2_access,
        per_minute=100,
    ),
)

SANDBOX = Vendor(
    system="SLACK",
    mounts=(Mount("/slack/api/", _ROUTES, "INTEGRATION_PIPELINE_SLACK_URL"),),
    populate=populate,
    access=auth.access,
    names=lambda tenant: (auth.client_id(tenant),),
    connection=auth.connection,
    identify=auth.identify,
    admit=auth.admit,
    over=_over,
    error=_error,
    too_many=_too_many,
    unknown=lambda _call: refused("unknown_method"),
    finish=_finish,
)
