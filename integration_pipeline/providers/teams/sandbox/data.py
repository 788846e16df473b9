"""An imitated Microsoft 365 tenant: who and what is in it, and how that looks on the wire (Microsoft Graph v1.0)."""

import base64
from collections.abc import Mapping
from typing import Any

from integration_pipeline.sandbox.names import TOPICS, guid, is_one_in, mix, person
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.tables import Account, App, Table, Tables, Team, overlay
from integration_pipeline.sandbox.vendor import email_domain, seed_of

CHANNELS_PER_TEAM = 3
_CREATED = "2020-05-27T19:22:25Z"
_CATALOGUE = ("勤怠管理", "Planner", "議事録メーカー", "GitHub", "経費精算")

USER_DEFAULTS = (
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
)


def directory_id(tenant: TenantPlan) -> str:
    return guid(seed_of(tenant), 1_000_000_007)


def populate(tenant: TenantPlan, plan: SystemPlan) -> Tables:
    def make_user(number: int) -> Account:
        return _person(tenant, number, is_odd=plan.oddities and number < plan.users)

    def make_team(number: int) -> Team:
        return _team(tenant, number, is_odd=plan.oddities and number < plan.teams)

    teams = [make_team(number) for number in range(plan.teams)]
    channels = [_channel(tenant, team, number) for team in teams for number in range(CHANNELS_PER_TEAM)]
    groups = [_group(tenant, number, is_odd=plan.oddities) for number in range(plan.groups)]
    installed = [_installed(team, number, plan.apps) for team in teams for number in range(plan.apps)]
    table = Table(make_team, [*teams, *channels, *groups])
    table.next_number = plan.teams
    users = Table(make_user, [make_user(number) for number in range(plan.users)])
    apps = Table(lambda number: _subscription(tenant, number), [*installed, _subscription(tenant, 0)])
    apps.next_number = 1
    return Tables(users, table, apps)


def _person(tenant: TenantPlan, number: int, *, is_odd: bool) -> Account:
    who = person(seed_of(tenant), number)
    domain = email_domain(tenant)
    cloud_domain = f"{domain.partition('.')[0]}.onmicrosoft.example"
    email: str | None = f"{who.local_part}@{domain}"
    # Many Japanese tenants sign in with the cloud's own domain.
    login = f"{who.local_part}@{cloud_domain}" if number % 5 == 0 else str(email)
    account = Account(
        id=guid(seed_of(tenant), number),
        number=number,
        last_name=who.last_name,
        first_name=who.first_name,
        email=email,
        login=login,
        employee_number=who.employee_number if number % 4 else None,
        department=who.department,
    )
    if not is_odd:
        return account
    if is_one_in(37, number, at=5) or is_one_in(37, number, at=23):
        address = f"{who.local_part}@partner.example"
        return account._replace(
            kind="guest",
            state="pending" if is_one_in(37, number, at=23) else "active",
            email=address,
            login=f"{address.replace('@', '_')}#EXT#@{cloud_domain}",
            employee_number=None,
        )
    if is_one_in(43, number, at=21):
        room = f"room{number}@{domain}"
        return account._replace(kind="room", state="disabled", email=room, login=room, employee_number=None)
    if is_one_in(71, number, at=11):
        other = person(seed_of(tenant), number - 1)
        return account._replace(email=f"{other.local_part.upper()}@{domain}", employee_number=None)
    is_disabled, is_unlicensed = is_one_in(29, number, at=7), is_one_in(53, number, at=9)
    return account._replace(
        state="disabled" if is_disabled else "active", email=None if is_unlicensed else account.email
    )


def _team(tenant: TenantPlan, number: int, *, is_odd: bool) -> Team:
    topic = TOPICS[number % len(TOPICS)]
    is_flag_only = is_odd and is_one_in(17, number, at=13)
    return Team(
        id=guid(seed_of(tenant) + 1, number),
        number=number,
        kind="FLAGGED_GROUP" if is_flag_only else "TEAM",
        name=f"{topic}チーム{number:03d}",
        description=f"{topic}のチーム" if number % 3 else None,
        visibility="public" if number % 3 == 0 else "private",
        is_archived=is_odd and is_one_in(11, number, at=9) and not is_flag_only,
    )


def _channel(tenant: TenantPlan, team: Team, number: int) -> Team:
    kinds = (
        "standard",
        "private" if team.number % 2 else "standard",
        "shared" if is_one_in(4, team.number, at=2) else "standard",
    )
    key = mix(seed_of(tenant) + 2, team.number * 64 + number)
    return Team(
        id=f"19:{key:016x}{mix(key, 1):016x}@thread.tacv2",
        number=number,
        kind="CHANNEL",
        name="General" if number == 0 else f"{TOPICS[(team.number + number) % len(TOPICS)]}{number}",
        description=None,
        visibility=kinds[number % 3],
        parent_id=team.id,
    )


def _group(tenant: TenantPlan, number: int, *, is_odd: bool) -> Team:
    """A Microsoft 365 group: most are no teams, every other one has the flag of a team and no team behind it."""
    name = f"{TOPICS[number % len(TOPICS)]}配布リスト{number:02d}"
    kind = "FLAGGED_GROUP" if is_odd and number % 2 else "PLAIN_GROUP"
    return Team(id=guid(seed_of(tenant) + 3, number), number=number, kind=kind, name=name, visibility="private")


def _installed(team: Team, number: int, count: int) -> App:
    app_number = (team.number + number) % max(count, len(_CATALOGUE))
    generation = "" if app_number < len(_CATALOGUE) else f" {app_number}"
    return App(
        id=base64.b64encode(f"{team.id}##{guid(5, app_number)}".encode()).decode(),
        number=app_number,
        kind="INSTALLED_APP",
        name=_CATALOGUE[app_number % len(_CATALOGUE)] + generation,
        team_id=team.id,
    )


def _subscription(tenant: TenantPlan, number: int) -> App:
    return App(
        id=guid(seed_of(tenant) + 4, number),
        number=number,
        kind="SUBSCRIPTION",
        name=("users", "groups", "teams")[number % 3],
        callback_url="https://hooks.example/graph",
    )


def user_row(user: Account, *, domain: str) -> dict[str, Any]:
    """Every property of a user that a collection can return; the caller keeps what was selected."""
    is_guest = user.kind == "guest"
    name = f"会議室{user.number}" if user.kind == "room" else f"{user.last_name} {user.first_name}"
    row: dict[str, Any] = {
        "businessPhones": [],
        "displayName": name,
        "givenName": None if user.kind == "room" else user.first_name,
        "id": user.id,
        "jobTitle": None,
        "mail": user.email,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": "ja-JP" if user.number % 2 else None,
        "surname": None if user.kind == "room" else user.last_name,
        "userPrincipalName": user.login,
        "accountEnabled": user.state != "disabled",
        "userType": "Guest" if is_guest else None if is_one_in(83, user.number, at=40) else "Member",
        "employeeId": user.employee_number,
        "employeeType": None,
        "otherMails": [f"private{user.number}@mail.example"] if user.number % 6 == 1 else [],
        "proxyAddresses": [f"SMTP:{user.email}", f"smtp:{user.login}"] if user.email else [],
        "mailNickname": (user.login or "").partition("@")[0],
        "department": user.department,
        "companyName": domain,
        "externalUserState": ("PendingAcceptance" if user.state == "pending" else "Accepted") if is_guest else None,
        "creationType": "Invitation" if is_guest else None,
        "onPremisesImmutableId": None,
        "onPremisesSamAccountName": None,
        "onPremisesSyncEnabled": None,
        "createdDateTime": _CREATED,
        "deletedDateTime": None,
    }
    return overlay(row, user.extra)


def group_row(group: Team) -> dict[str, Any]:
    """Every property of a group. Whether its team is archived is not among them."""
    is_flagged = group.kind in ("TEAM", "FLAGGED_GROUP")
    row: dict[str, Any] = {
        "id": group.id,
        "deletedDateTime": None,
        "createdDateTime": _CREATED,
        "description": group.description,
        "displayName": group.name,
        "groupTypes": ["Unified"],
        "mail": f"group{group.number}@groups.example",
        "mailEnabled": True,
        "mailNickname": f"group{group.number}",
        "resourceProvisioningOptions": ["Team"] if is_flagged else [],
        "securityEnabled": False,
        "visibility": group.visibility.capitalize(),
    }
    return overlay(row, group.extra)


def team_row(team: Team, *, tenant: TenantPlan) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": team.id,
        "createdDateTime": _CREATED,
        "displayName": team.name,
        "description": team.description,
        "internalId": f"19:{team.number}@thread.tacv2",
        "classification": None,
        "specialization": "none",
        "visibility": team.visibility,
        "webUrl": f"https://teams.example/l/team/{team.number}",
        "isArchived": team.is_archived,
        "tenantId": directory_id(tenant),
        "summary": {"ownersCount": 1, "membersCount": 12, "guestsCount": 0},
    }
    return overlay(row, team.extra)


def channel_row(channel: Team, *, tenant: TenantPlan, knows_shared: bool) -> dict[str, Any]:
    """``shared`` came late to the enumeration: who does not ask for unknown members reads ``unknownFutureValue``."""
    kind = "unknownFutureValue" if channel.visibility == "shared" and not knows_shared else channel.visibility
    row: dict[str, Any] = {
        "id": channel.id,
        "createdDateTime": "2020-05-27T19:22:25.692Z",
        "displayName": channel.name,
        "description": channel.description,
        "isFavoriteByDefault": None,
        "email": "",
        "tenantId": directory_id(tenant),
        "webUrl": "https://teams.example/l/channel/",
        "membershipType": kind,
        "isArchived": channel.is_archived,
    }
    return overlay(row, channel.extra)


def installed_row(app: App, expand: frozenset[str]) -> dict[str, Any]:
    """An installed app. Its id is the installation's; the app's own comes with ``$expand`` alone."""
    app_id = guid(5, app.number)
    row: dict[str, Any] = {"id": app.id}
    if "teamsAppDefinition" in expand:
        row["teamsAppDefinition"] = {
            "id": base64.b64encode(f"{app_id}##1.{app.number}".encode()).decode(),
            "teamsAppId": app_id,
            "displayName": app.name,
            "version": f"1.{app.number}",
            "publishingState": "published",
            "azureADAppId": None,
        }
    if "teamsApp" in expand:
        row["teamsApp"] = {
            "id": app_id,
            "externalId": None,
            "displayName": app.name,
            "distributionMethod": "store" if app.number % 2 else "organization",
        }
    return overlay(row, app.extra)


def subscription_row(app: App, *, application_id: str) -> Mapping[str, Any]:
    row = {
        "id": app.id,
        "resource": app.name,
        "applicationId": application_id,
        "changeType": "created,updated,deleted",
        "clientState": None,
        "notificationUrl": app.callback_url,
        "lifecycleNotificationUrl": None,
        "expirationDateTime": "2026-12-20T00:00:00Z",
        "creatorId": guid(6, app.number),
        "latestSupportedTlsVersion": "v1_2",
    }
    return overlay(row, app.extra)
