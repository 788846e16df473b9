"""An imitated Slack workspace: who and what is in it, and how that looks on the wire (docs.slack.dev, methods' pages)."""

from collections.abc import Mapping
from typing import Any

from integration_pipeline.sandbox.names import TOPICS, code, is_one_in, mix, person
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.tables import Account, App, Table, Tables, Team, overlay
from integration_pipeline.sandbox.vendor import email_domain, seed_of

_LONG_AGO = 1_502_138_686
_BOT_KINDS = ("bot", "workflow_bot", "slackbot")
_AVATAR_SIZES = (24, 32, 48, 72, 192, 512)
_AVATAR = "https://avatars.example/2017-08-07/1502138686123_ge3b51ca72de5a1f20c7_{size}.png"
"""As long as Slack's own are: a third of a row is pictures' addresses."""


def team_id(tenant: TenantPlan) -> str:
    return "T" + code(seed_of(tenant), 0)


def own_bot(tenant: TenantPlan) -> App:
    """The bot user of the app that the connection belongs to."""
    return _app(tenant, 0)


def populate(tenant: TenantPlan, plan: SystemPlan) -> Tables:
    def make_user(number: int) -> Account:
        return _person(tenant, number, is_odd=plan.oddities and number < plan.users)

    def make_team(number: int) -> Team:
        is_odd = plan.oddities and number < plan.teams
        return _channel(tenant, number, plan.users, is_odd=is_odd)

    people = [make_user(number) for number in range(plan.users)]
    app_count = max(1, plan.apps)
    bots = [_bot(tenant, number) for number in range(app_count)]
    slackbot = Account("USLACKBOT", -1, None, None, login="slackbot", kind="slackbot")
    channels = [make_team(number) for number in range(plan.teams)]
    user_groups = [_user_group(tenant, number, plan.users) for number in range(plan.groups)]
    users = Table(make_user, [*people[:1], slackbot, *people[1:], *bots])
    users.next_number = plan.users
    teams = Table(make_team, [*channels, *user_groups])
    teams.next_number = plan.teams
    apps = Table(lambda number: _app(tenant, number), [_app(tenant, number) for number in range(app_count)])
    return Tables(users, teams, apps)


def _person(tenant: TenantPlan, number: int, *, is_odd: bool) -> Account:
    who = person(seed_of(tenant), number)
    email: str | None = f"{who.local_part}@{email_domain(tenant)}"
    kind, state = "member", "active"
    if is_odd:
        state = {7: "deleted", 19: "pending"}.get(number % 29, state)
        kind = {5: "guest", 23: "channel_guest"}.get(number % 37, kind)
        if is_one_in(53, number, at=9):
            email = None
        elif is_one_in(31, number, at=4):
            email = f"{who.local_part.title()}@{email_domain(tenant).upper()}"
        elif is_one_in(71, number, at=11):
            # The account of somebody who was given a second one: the same address, spelt otherwise.
            email = f"{person(seed_of(tenant), number - 1).local_part.upper()}@{email_domain(tenant)}"
    return Account(
        id="U" + code(seed_of(tenant), number),
        number=number,
        last_name=who.last_name,
        first_name=who.first_name,
        email=email,
        login=who.local_part,
        department=who.department,
        kind=kind,
        state=state,
    )


def _bot(tenant: TenantPlan, number: int) -> Account:
    app = _app(tenant, number)
    kind = "workflow_bot" if is_one_in(3, number, at=2) else "bot"
    return Account(str(app.user_id), number, None, app.name, login=f"bot{number}", kind=kind, external_key=app.id)


def _app(tenant: TenantPlan, number: int) -> App:
    name = ("連携ボット", "勤怠ボット", "ワークフロー")[number % 3] + (str(number // 3 + 1) if number // 3 else "")
    return App(
        "B" + code(seed_of(tenant) + 1, number),
        number,
        "BOT",
        name,
        user_id="U" + code(seed_of(tenant) + 2, number, 10),
    )


def _channel(tenant: TenantPlan, number: int, user_count: int, *, is_odd: bool) -> Team:
    count = min(user_count, 3 + mix(seed_of(tenant), number) % 20)
    first = mix(seed_of(tenant) + 5, number) % max(1, user_count - count + 1)
    topic = TOPICS[number % len(TOPICS)]
    is_private = is_odd and is_one_in(6, number, at=4)
    return Team(
        id="C" + code(seed_of(tenant) + 3, number),
        number=number,
        kind="CHANNEL",
        name="general" if number == 0 else f"{topic}-{number:03d}",
        description=f"{topic}のためのチャンネル",
        visibility="private" if is_private else "public",
        is_archived=is_odd and is_one_in(11, number, at=9),
        has_app=not (is_private and is_one_in(12, number, at=10)),
        member_ids=tuple("U" + code(seed_of(tenant), first + n) for n in range(count)),
    )


def _user_group(tenant: TenantPlan, number: int, user_count: int) -> Team:
    return Team(
        id="S" + code(seed_of(tenant) + 4, number),
        number=number,
        kind="USER_GROUP",
        name=f"{TOPICS[number % len(TOPICS)]}係{number:02d}",
        description=None if number % 2 else "当番",
        is_archived=is_one_in(5, number, at=3),
        member_ids=tuple("U" + code(seed_of(tenant), n) for n in range(min(user_count, 2 + number % 4))),
    )


def user_row(user: Account, *, workspace_id: str, plan: SystemPlan, with_email: bool) -> dict[str, Any]:
    """A member of ``users.list``. A deleted one is thin: names at the top, time zone and roles are left out."""
    is_bot = user.kind in _BOT_KINDS
    real_name = f"{user.last_name} {user.first_name}" if user.last_name else user.first_name or "Slackbot"
    profile: dict[str, Any] = {
        "title": user.department or "",
        "phone": "",
        "skype": "",
        "real_name": real_name,
        "real_name_normalized": real_name,
        "display_name": "" if user.number % 3 else real_name.replace(" ", ""),
        "display_name_normalized": "" if user.number % 3 else real_name.replace(" ", ""),
        "fields": None,
        "status_text": "",
        "status_emoji": "",
        "status_emoji_display_info": [],
        "status_text_canonical": "",
        "status_expiration": 0,
        "avatar_hash": "ge3b51ca72de",
        "first_name": user.first_name or "",
        "last_name": user.last_name or "",
        **{f"image_{size}": _AVATAR.format(size=size) for size in _AVATAR_SIZES},
        "team": workspace_id,
    }
    if user.email is not None and with_email and not is_bot:
        profile["email"] = user.email
    if user.kind in ("bot", "workflow_bot"):
        profile |= {"bot_id": user.external_key, "api_app_id": f"A{user.id[1:]}"}
    row: dict[str, Any] = {
        "id": user.id,
        "team_id": workspace_id,
        "name": user.login,
        "deleted": user.state == "deleted",
        "profile": profile,
        "is_bot": user.kind in ("bot", "workflow_bot"),
        "is_app_user": False,
        "updated": _LONG_AGO + user.number,
    }
    if user.state != "deleted":
        row |= _of_the_living(user, real_name)
    for name in plan.hidden_fields:
        row.pop(name, None)
        profile.pop(name, None)
    return overlay(row, user.extra)


def _of_the_living(user: Account, real_name: str) -> dict[str, Any]:
    is_guest = user.kind in ("guest", "channel_guest")
    row: dict[str, Any] = {
        "color": "9f69e7",
        "real_name": real_name,
        "tz": None if user.kind == "slackbot" else "Asia/Tokyo",
        "tz_label": "Japan Standard Time",
        "tz_offset": 32400,
        "is_admin": user.number == 0,
        "is_owner": user.number == 0,
        "is_primary_owner": user.number == 0,
        "is_restricted": is_guest,
        "is_ultra_restricted": user.kind == "channel_guest",
        "is_email_confirmed": user.state != "pending" and user.kind not in _BOT_KINDS,
        "has_2fa": False,
        "who_can_share_contact_card": "EVERYONE",
    }
    if user.state == "pending":
        row["is_invited_user"] = True
    if user.kind == "workflow_bot":
        row["is_workflow_bot"] = True
    return row


def channel_row(channel: Team, *, workspace_id: str) -> dict[str, Any]:
    """A channel of ``conversations.list``; ``updated`` is in milliseconds, unlike a user's."""
    is_private = channel.visibility == "private"
    row: dict[str, Any] = {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not is_private,
        "is_group": is_private and channel.number % 2 == 0,
        "is_im": False,
        "is_mpim": False,
        "is_private": is_private,
        "created": _LONG_AGO,
        "is_archived": channel.is_archived,
        "is_general": channel.number == 0,
        "unlinked": 0,
        "name_normalized": channel.name,
        "is_shared": channel.visibility == "shared",
        "is_org_shared": False,
        "is_ext_shared": channel.visibility == "shared",
        "is_pending_ext_shared": False,
        "pending_shared": [],
        "context_team_id": workspace_id,
        "shared_team_ids": [workspace_id],
        "pending_connected_team_ids": [],
        "updated": (_LONG_AGO + channel.number) * 1000,
        "parent_conversation": None,
        "creator": channel.member_ids[0] if channel.member_ids else "USLACKBOT",
        "is_member": channel.has_app and is_private,
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": channel.description or "", "creator": "", "last_set": 0},
        "previous_names": [],
        "num_members": len(channel.member_ids),
    }
    return overlay(row, channel.extra)


def user_group_row(group: Team, *, workspace_id: str, with_users: bool, with_count: bool) -> dict[str, Any]:
    """A group of ``usergroups.list``. Slack writes ``user_count`` now as a string, now as a number."""
    row: dict[str, Any] = {
        "id": group.id,
        "team_id": workspace_id,
        "is_usergroup": True,
        "is_subteam": True,
        "name": group.name,
        "description": group.description or "",
        "handle": f"group{group.number:02d}",
        "is_external": False,
        "date_create": _LONG_AGO,
        "date_update": _LONG_AGO,
        "date_delete": _LONG_AGO + 86400 if group.is_archived else 0,
        "auto_type": None,
        "created_by": "USLACKBOT",
        "updated_by": "USLACKBOT",
        "deleted_by": "USLACKBOT" if group.is_archived else None,
        "prefs": {"channels": [], "groups": []},
        "channel_count": 0,
    }
    if with_users:
        row["users"] = list(group.member_ids)
    if with_count:
        count = len(group.member_ids)
        row["user_count"] = count if group.number % 2 else str(count)
    return overlay(row, group.extra)


def bot_row(app: App) -> Mapping[str, Any]:
    """The bot of ``bots.info``."""
    row = {
        "id": app.id,
        "deleted": False,
        "name": app.name,
        "updated": _LONG_AGO,
        "app_id": f"A{app.id[1:]}",
        "user_id": app.user_id,
        "icons": {"image_48": "https://avatars.example/48.png"},
    }
    return overlay(row, app.extra)
