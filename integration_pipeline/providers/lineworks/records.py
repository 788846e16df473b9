"""LINE WORKS' rows, and what they are to us.

user row -> User     group row, org unit row -> Team     bot row and its details -> Setting

The rows name only what is kept. Which properties come at all is set per tenant (管理項目), so that all but the ids may be
missing (developers.worksmobile.com/jp/docs/user-list, group-list, orgunit-list, bot-list, bot-get).
"""

from typing import Annotated, NotRequired
from urllib.parse import urlsplit

from pydantic import Field
from typing_extensions import TypedDict

from integration_pipeline.http.paging import Id
from integration_pipeline.model import Setting, State, Team, User, as_json

AnyId = Annotated[Id, Field(coerce_numbers_to_str=True)]
"""Users' and groups' ids are text, bots' are 64-bit numbers."""


class UserName(TypedDict):
    lastName: NotRequired[str | None]
    firstName: NotRequired[str | None]


class LeaveOfAbsence(TypedDict):
    isLeaveOfAbsence: NotRequired[bool | None]


class UserRow(TypedDict):
    """A row of GET /users. There is no ``deletedTime``: for seven days a deleted user is listed with ``isDeleted``."""

    userId: AnyId
    userExternalKey: NotRequired[str | None]
    email: NotRequired[str | None]
    userName: NotRequired[UserName | None]
    nickName: NotRequired[str | None]
    employeeNumber: NotRequired[str | None]
    isPending: NotRequired[bool | None]
    isAwaiting: NotRequired[bool | None]
    isSuspended: NotRequired[bool | None]
    isDeleted: NotRequired[bool | None]
    leaveOfAbsence: NotRequired[LeaveOfAbsence | None]


class GroupRow(TypedDict):
    """A row of GET /groups. Its ``members`` are users, groups and org units, and no count of people."""

    groupId: AnyId
    groupName: NotRequired[str | None]
    description: NotRequired[str | None]
    visible: NotRequired[bool | None]


class OrgUnitRow(TypedDict):
    """A row of GET /orgunits."""

    orgUnitId: AnyId
    orgUnitName: NotRequired[str | None]
    description: NotRequired[str | None]
    visible: NotRequired[bool | None]
    parentOrgUnitId: NotRequired[str | None]


class BotRow(TypedDict):
    """A row of GET /bots, which tells no more than the name."""

    botId: AnyId
    botName: NotRequired[str | None]


class BotDetails(TypedDict):
    """GET /bots/{botId}. Everything but the id may be missing, and an answer without it is none."""

    botId: AnyId
    botName: NotRequired[str | None]
    description: NotRequired[str | None]
    enableCallback: NotRequired[bool | None]
    callbackUrl: NotRequired[str | None]
    callbackEvents: NotRequired[list[str] | None]
    channelEvents: NotRequired[list[str] | None]
    enableGroupJoin: NotRequired[bool | None]
    allowDomains: NotRequired[list[int] | None]


def user(row: UserRow) -> User:
    """A person's account. The addresses a person can edit, private and alias ones, identify nobody."""
    state, reason = _state(row)
    email = row.get("email") or None
    return User(
        key=row["userId"],
        kind="USER",
        state=state,
        reason=reason,
        external_username=_name(row),
        external_email=email,
        flags=_flags(row),
        external_key=row.get("userExternalKey") or None,
        employee_number=row.get("employeeNumber") or None,
        match_email=email,
        match_email_2=None,
    )


def _state(row: UserRow) -> tuple[State, str | None]:
    if row.get("isDeleted"):
        return State.GONE, "deleted"
    if row.get("isSuspended"):
        return State.INACTIVE, "suspended"
    return State.ACTIVE, None


def _flags(row: UserRow) -> str | None:
    leave = row.get("leaveOfAbsence") or LeaveOfAbsence()
    found = {
        "leave": leave.get("isLeaveOfAbsence"),
        "pending": row.get("isPending") or row.get("isAwaiting"),
    }
    return ",".join(flag for flag, is_set in found.items() if is_set) or None


def _name(row: UserRow) -> str | None:
    """The family name first, as the product itself writes it in every language."""
    name = row.get("userName") or UserName()
    parts = (name.get("lastName"), name.get("firstName"))
    return " ".join(part for part in parts if part and part.strip()) or row.get("nickName") or None


def group(row: GroupRow) -> Team:
    return _team(row["groupId"], "GROUP", row, name=row.get("groupName"), parent_id=None)


def org_unit(row: OrgUnitRow) -> Team:
    parent_id = row.get("parentOrgUnitId") or None
    return _team(row["orgUnitId"], "ORG_UNIT", row, name=row.get("orgUnitName"), parent_id=parent_id)


def _team(key: str, kind: str, row: GroupRow | OrgUnitRow, *, name: str | None, parent_id: str | None) -> Team:
    is_visible = row.get("visible")
    return Team(
        key=key,
        kind=kind,
        state=State.ACTIVE,
        reason=None,
        parent_id=parent_id,
        name=name,
        description=row.get("description") or None,
        visibility=None if is_visible is None else "visible" if is_visible else "hidden",
        is_archived=False,
    )


def bot(row: BotRow, details: BotDetails) -> Setting:
    """A bot and what it may hear and say. Of the callback only the host is kept: addresses carry keys."""
    facts = {
        "allow_domains": sorted(details.get("allowDomains") or ()),
        "callback_events": sorted(details.get("callbackEvents") or ()),
        "callback_host": _host(details.get("callbackUrl")),
        "channel_events": sorted(details.get("channelEvents") or ()),
        "description": details.get("description") or None,
        "enable_callback": bool(details.get("enableCallback")),
        "enable_group_join": bool(details.get("enableGroupJoin")),
    }
    return Setting(
        key=row["botId"],
        kind="BOT",
        state=State.ACTIVE,
        reason=None,
        external_team_id=None,
        name=details.get("botName") or row.get("botName") or None,
        settings=as_json(facts),
    )


def _host(url: str | None) -> str | None:
    try:
        return urlsplit(url or "").hostname
    except ValueError:  # a person typed it
        return None
