"""Slack's rows, and what they are to us.

user row -> User, or a bot's Setting     conversation -> Team     user group -> Team

The rows name only what is kept (docs.slack.dev/reference/objects): Slack adds fields often, and deactivated accounts
come without most of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, NotRequired

from typing_extensions import TypedDict

from integration_pipeline.http.paging import Id
from integration_pipeline.model import Setting, State, Team, User, as_json

SLACKBOT = "USLACKBOT"
"""Slack's own bot, in every workspace; its ``is_bot`` is false."""


class BotProfile(TypedDict):
    bot_id: NotRequired[str | None]
    api_app_id: NotRequired[str | None]
    real_name: NotRequired[str | None]


class Profile(BotProfile):
    display_name: NotRequired[str | None]
    email: NotRequired[str | None]


class EnterpriseUser(TypedDict):
    enterprise_id: NotRequired[str | None]
    teams: NotRequired[list[str] | None]


class Account(TypedDict):
    id: Id
    name: NotRequired[str | None]
    deleted: NotRequired[bool | None]
    is_bot: NotRequired[bool | None]
    is_workflow_bot: NotRequired[bool | None]
    is_connector_bot: NotRequired[bool | None]


class BotRow(Account):
    """A row of users.list, as far as it can be a bot: what is wrong with a person's fields does not matter here."""

    profile: NotRequired[BotProfile | None]


class UserRow(Account):
    """A row of users.list (docs.slack.dev/reference/objects/user-object)."""

    team_id: NotRequired[str | None]
    real_name: NotRequired[str | None]
    is_restricted: NotRequired[bool | None]
    is_ultra_restricted: NotRequired[bool | None]
    is_invited_user: NotRequired[bool | None]
    is_email_confirmed: NotRequired[bool | None]
    enterprise_user: NotRequired[EnterpriseUser | None]
    profile: NotRequired[Profile | None]


class Text(TypedDict):
    value: NotRequired[str | None]


class ChannelRow(TypedDict):
    """A row of conversations.list (docs.slack.dev/reference/objects/conversation-object)."""

    id: Id
    name: NotRequired[str | None]
    is_private: NotRequired[bool | None]
    is_member: NotRequired[bool | None]
    is_archived: NotRequired[bool | None]
    purpose: NotRequired[Text | None]


class UserGroupRow(TypedDict):
    """A row of usergroups.list (docs.slack.dev/reference/objects/usergroup-object)."""

    id: Id
    name: NotRequired[str | None]
    description: NotRequired[str | None]
    date_delete: NotRequired[int | None]


class BotInfo(TypedDict):
    """The ``bot`` of bots.info."""

    id: Id
    name: NotRequired[str | None]
    deleted: NotRequired[bool | None]
    app_id: NotRequired[str | None]
    user_id: NotRequired[str | None]


_NO_PROFILE = Profile()
_THERE, _DELETED = (State.ACTIVE, None), (State.GONE, "deleted")


class Home(NamedTuple):
    """Where our app is installed, and as whom: what auth.test says."""

    team_id: str
    enterprise_id: str | None
    user_id: str | None
    bot_id: str | None


def is_bot(row: UserRow | BotRow) -> bool:
    """Whether an account is nobody's. ``is_app_user`` is no sign of it: it marks people who use the app."""
    return bool(
        row["id"] == SLACKBOT
        or row.get("is_bot")
        or row.get("is_workflow_bot")
        or row.get("is_connector_bot")
        or (row.get("profile") or {}).get("bot_id")
    )


def user(row: UserRow, home: Home) -> User | None:
    """A person's account; None for bots."""
    if is_bot(row):
        return None
    profile = row.get("profile") or _NO_PROFILE
    email = profile.get("email") or None
    is_foreign = row.get("team_id") != home.team_id and _is_foreign(row, home)
    state, reason = _DELETED if row.get("deleted") else _THERE
    # By position: there are a million of them, and naming the fields costs as much as reading them.
    return User(
        row["id"],
        "USER",
        state,
        reason,
        _name(profile.get("display_name"), profile.get("real_name"), row.get("real_name"), row.get("name")),
        email,
        _flags(row, is_foreign=is_foreign),
        None,
        None,
        # Another company's administrator decides what its accounts' addresses are.
        email if row.get("is_email_confirmed") is True and not is_foreign else None,
        None,
    )


def _flags(row: UserRow, *, is_foreign: bool) -> str | None:
    is_guest = row.get("is_restricted") or row.get("is_ultra_restricted")
    is_pending = row.get("is_invited_user")
    if not (is_foreign or is_guest or is_pending):
        return None  # as almost everybody
    found = {"external": is_foreign, "guest": is_guest, "pending": is_pending}
    return ",".join(flag for flag, is_set in found.items() if is_set)


def _name(*names: str | None) -> str | None:
    for name in names:
        if name and not name.isspace():
            return name
    return None


def _is_foreign(row: UserRow, home: Home) -> bool:
    """Whether the account belongs to another company, seen through Slack Connect.

    In an Enterprise organisation a colleague's own workspace may be another one of the same organisation.
    """
    team_id = row.get("team_id")
    if team_id is None or team_id in (home.team_id, home.enterprise_id):
        return False
    colleague = row.get("enterprise_user") or EnterpriseUser()
    is_colleague = home.enterprise_id is not None and colleague.get("enterprise_id") == home.enterprise_id
    return not is_colleague and home.team_id not in (colleague.get("teams") or ())


def bot(row: UserRow | BotRow, home: Home) -> Setting | None:
    """A bot that users.list shows; None for people, and for Slack's own."""
    if row["id"] == SLACKBOT or not is_bot(row):
        return None
    profile = row.get("profile") or BotProfile()
    is_own = row["id"] == home.user_id
    return _bot_setting(
        key=profile.get("bot_id") or (home.bot_id if is_own else None) or row["id"],
        name=profile.get("real_name") or row.get("name") or None,
        is_deleted=bool(row.get("deleted")),
        facts={
            "app_id": profile.get("api_app_id") or None,
            "is_connector_bot": bool(row.get("is_connector_bot")),
            "is_own": is_own,
            "is_workflow_bot": bool(row.get("is_workflow_bot")),
            "user_id": row["id"],
        },
    )


def own_bot(info: BotInfo) -> Setting:
    """The bot of our own app, which is told everything it may see."""
    return _bot_setting(
        key=info["id"],
        name=info.get("name") or None,
        is_deleted=bool(info.get("deleted")),
        facts={
            "app_id": info.get("app_id") or None,
            "is_connector_bot": False,
            "is_own": True,
            "is_workflow_bot": False,
            "user_id": info.get("user_id") or None,
        },
    )


def _bot_setting(*, key: str, name: str | None, is_deleted: bool, facts: Mapping[str, Any]) -> Setting:
    return Setting(
        key=key,
        kind="BOT",
        state=State.GONE if is_deleted else State.ACTIVE,
        reason="deleted" if is_deleted else None,
        external_team_id=None,
        name=name,
        settings=as_json(facts),
    )


def channel(row: ChannelRow) -> Team | None:
    """A channel; None for a private one that the app was not invited to."""
    is_private, is_archived = bool(row.get("is_private")), bool(row.get("is_archived"))
    if is_private and not row.get("is_member"):
        return None
    return Team(
        key=row["id"],
        kind="CHANNEL",
        state=State.INACTIVE if is_archived else State.ACTIVE,
        reason="archived" if is_archived else None,
        parent_id=None,
        name=row.get("name"),
        description=(row.get("purpose") or {}).get("value") or None,
        visibility="private" if is_private else "public",
        is_archived=is_archived,
    )


def user_group(row: UserGroupRow) -> Team:
    """A user group; a disabled one keeps its row at Slack, with the time it was disabled."""
    is_disabled = bool(row.get("date_delete"))
    return Team(
        key=row["id"],
        kind="USER_GROUP",
        state=State.INACTIVE if is_disabled else State.ACTIVE,
        reason="disabled" if is_disabled else None,
        parent_id=None,
        name=row.get("name"),
        description=row.get("description") or None,
        visibility=None,
        is_archived=False,
    )
