"""What Graph's rows look like, and what they are to us. Nothing here asks or decides anything.

    user -> User    team, channel -> Team    installed app, subscription -> Setting

Only the fields that are used are asked for (``…_FIELDS``) and read. Graph leaves a selected field out only where it does
not serve it, and sends null where there is no value: what a record's state hangs on must be there
(learn.microsoft.com/graph/api/resources/user, …/team, …/channel, …/teamsappinstallation, …/subscription).
"""

from collections.abc import Mapping
from typing import Any, NotRequired
from urllib.parse import urlsplit

from typing_extensions import TypedDict

from integration_pipeline.http.paging import Id
from integration_pipeline.model import Setting, State, Team, User, as_json


class UserRow(TypedDict):
    id: Id
    displayName: NotRequired[str | None]
    mail: NotRequired[str | None]
    userPrincipalName: NotRequired[str | None]
    employeeId: NotRequired[str | None]
    userType: NotRequired[str | None]
    externalUserState: NotRequired[str | None]
    accountEnabled: bool | None


class RemovedRow(TypedDict):
    reason: NotRequired[str | None]


# What changed has no property that was never set, and what is gone nothing but its id.
ChangedUserRow = TypedDict(
    "ChangedUserRow",
    {
        "id": Id,
        "@removed": NotRequired[RemovedRow | None],
        "displayName": NotRequired[str | None],
        "mail": NotRequired[str | None],
        "userPrincipalName": NotRequired[str | None],
        "employeeId": NotRequired[str | None],
        "userType": NotRequired[str | None],
        "externalUserState": NotRequired[str | None],
        "accountEnabled": NotRequired[bool | None],
    },
)
ChangedGroupRow = TypedDict(
    "ChangedGroupRow",
    {
        "id": Id,
        "@removed": NotRequired[RemovedRow | None],
        "resourceProvisioningOptions": NotRequired[list[str] | None],
    },
)


class DomainRow(TypedDict):
    name: NotRequired[str | None]
    isDefault: NotRequired[bool | None]


class OrganizationRow(TypedDict):
    id: Id
    displayName: NotRequired[str | None]
    verifiedDomains: NotRequired[list[DomainRow] | None]


class GroupRow(TypedDict):
    id: Id


class TeamRow(TypedDict):
    id: Id
    displayName: NotRequired[str | None]
    description: NotRequired[str | None]
    visibility: NotRequired[str | None]
    isArchived: NotRequired[bool | None]


class ChannelRow(TypedDict):
    id: Id
    displayName: NotRequired[str | None]
    description: NotRequired[str | None]
    membershipType: NotRequired[str | None]
    isArchived: NotRequired[bool | None]


class AppRow(TypedDict):
    displayName: NotRequired[str | None]
    id: NotRequired[str | None]
    externalId: NotRequired[str | None]
    distributionMethod: NotRequired[str | None]


class AppDefinitionRow(TypedDict):
    displayName: NotRequired[str | None]
    teamsAppId: NotRequired[str | None]
    version: NotRequired[str | None]


class InstallationRow(TypedDict):
    id: Id
    teamsApp: NotRequired[AppRow | None]
    teamsAppDefinition: NotRequired[AppDefinitionRow | None]


class SubscriptionRow(TypedDict):
    id: Id
    resource: NotRequired[str | None]
    changeType: NotRequired[str | None]
    notificationUrl: NotRequired[str | None]
    expirationDateTime: NotRequired[str | None]
    applicationId: NotRequired[str | None]


ORGANIZATION_FIELDS = ",".join(OrganizationRow.__annotations__)
USER_FIELDS = ",".join(UserRow.__annotations__)
CHANGED_USER_FIELDS = f"{USER_FIELDS},deletedDateTime"
CHANGED_GROUP_FIELDS = "id,resourceProvisioningOptions,deletedDateTime"
"""With the date, for else a restored user or group has been seen not to come (microsoft-graph-docs, issue 5821)."""
TEAM_FIELDS = ",".join(TeamRow.__annotations__)
CHANNEL_FIELDS = ",".join(ChannelRow.__annotations__)


def user(row: UserRow) -> User:
    """An account. Rooms and shared mailboxes are accounts too, disabled ones; bots are not listed among users.

    Only an explicit ``accountEnabled: false`` is INACTIVE. Null, which the schema allows, says nothing about the
    account, and nobody is switched off for want of an answer; a row without the field is not read at all.
    """
    mail = row.get("mail") or None
    principal = row.get("userPrincipalName") or None
    # An external account's UPN is made up from its foreign address (a_partner.jp#EXT#@…): nobody's address.
    if principal is not None and "#EXT#" in principal.upper():
        principal, is_external = None, True
    else:
        is_external = False
    is_guest = is_external if row.get("userType") is None else row.get("userType") == "Guest"
    is_pending = row.get("externalUserState") == "PendingAcceptance"
    is_disabled = row["accountEnabled"] is False
    return User(
        key=row["id"],
        kind="USER",
        state=State.INACTIVE if is_disabled else State.ACTIVE,
        reason="disabled" if is_disabled else None,
        external_username=row.get("displayName"),
        external_email=mail or principal,
        flags=",".join(["guest"] * is_guest + ["pending"] * is_pending) or None,
        external_key=None,
        employee_number=row.get("employeeId") or None,
        match_email=mail,
        match_email_2=None if is_guest else principal,
    )


def is_whole(row: Mapping[str, Any]) -> bool:
    """Whether a row of changes holds what every account has, and so all of its other properties that were ever set.

    Graph says that it does, of all kinds of things at once, and of some "at least the properties that have been
    updated" (learn.microsoft.com/graph/delta-query-overview): what is missing in a row that is not whole may be as it was.
    """
    return row.keys() >= {"displayName", "userPrincipalName", "accountEnabled"}


def team(row: TeamRow) -> Team:
    """A team. An archived one is there, only read-only."""
    return Team(
        key=row["id"],
        kind="TEAM",
        state=State.ACTIVE,
        reason=None,
        parent_id=None,
        name=row.get("displayName"),
        description=row.get("description"),
        visibility=row.get("visibility"),
        is_archived=row.get("isArchived") is True,
    )


def channel(row: ChannelRow, team_id: str) -> Team:
    """A channel of the team that hosts it."""
    return Team(
        key=row["id"],
        kind="CHANNEL",
        state=State.ACTIVE,
        reason=None,
        parent_id=team_id,
        name=row.get("displayName"),
        description=row.get("description"),
        visibility=row.get("membershipType"),
        is_archived=row.get("isArchived") is True,
    )


def installed_app(row: InstallationRow, team_id: str) -> Setting:
    """An app as installed in one team: the installation's id is not the app's."""
    app: AppRow = row.get("teamsApp") or {}
    definition: AppDefinitionRow = row.get("teamsAppDefinition") or {}
    return _setting(
        row["id"],
        "INSTALLED_APP",
        team_id,
        definition.get("displayName") or app.get("displayName"),
        {
            "teamsAppId": app.get("id") or definition.get("teamsAppId"),
            "externalId": app.get("externalId"),
            "distributionMethod": app.get("distributionMethod"),
            "version": definition.get("version"),
        },
    )


def subscription(row: SubscriptionRow) -> Setting:
    """A change notification that our application has asked for. ``clientState`` is a secret and never read."""
    return _setting(
        row["id"],
        "SUBSCRIPTION",
        None,
        row.get("resource"),
        {
            "resource": row.get("resource"),
            "changeType": row.get("changeType"),
            "notificationUrl": _without_secrets(row.get("notificationUrl")),
            "expirationDateTime": row.get("expirationDateTime"),
            "applicationId": row.get("applicationId"),
        },
    )


def _setting(key: str, kind: str, team_id: str | None, name: str | None, settings: Mapping[str, Any]) -> Setting:
    return Setting(
        key=key,
        kind=kind,
        state=State.ACTIVE,
        reason=None,
        external_team_id=team_id,
        name=name,
        settings=as_json(settings),
    )


def _without_secrets(url: str | None) -> str | None:
    """Scheme, host and path: receivers carry their keys in the query, or before the host."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return None
