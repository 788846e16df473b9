"""An imitated LINE WORKS tenant: who and what is in it, and how that looks on the wire (developers.worksmobile.com, API 2.0)."""

from collections.abc import Mapping
from typing import Any

from integration_pipeline.sandbox.names import DEPARTMENTS, TOPICS, guid, is_one_in, mix, person
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.tables import Account, App, Table, Tables, Team, overlay
from integration_pipeline.sandbox.vendor import email_domain, seed_of

_FIRST_DOMAIN = 10_000_001


def domain_ids(tenant: TenantPlan, count: int) -> tuple[int, ...]:
    """The tenant's domains; the first is the one its app is registered in."""
    first = _FIRST_DOMAIN + mix(seed_of(tenant), 31) % 1_000_000 * 100
    return tuple(range(first, first + count))


def populate(tenant: TenantPlan, plan: SystemPlan) -> Tables:
    domains = domain_ids(tenant, plan.domains)

    def make_user(number: int) -> Account:
        is_odd = plan.oddities and number < plan.users
        return _person(tenant, number, domains[number % len(domains)], is_odd=is_odd)

    def make_group(number: int) -> Team:
        return _group(tenant, number, domains[number % len(domains)], plan.users)

    def make_bot(number: int) -> App:
        return _bot(tenant, number, domains)

    units = [_unit(tenant, number, domains[number % len(domains)], len(domains)) for number in range(plan.groups)]
    teams = Table(make_group, [*(make_group(number) for number in range(plan.teams)), *units])
    teams.next_number = plan.teams
    users = Table(make_user, [make_user(number) for number in range(plan.users)])
    return Tables(users, teams, Table(make_bot, [make_bot(number) for number in range(plan.apps)]))


def _user_id(tenant: TenantPlan, number: int) -> str:
    return "user" + guid(seed_of(tenant), number)[4:]


def _person(tenant: TenantPlan, number: int, domain_id: int, *, is_odd: bool) -> Account:
    who = person(seed_of(tenant), number)
    account = Account(
        id=_user_id(tenant, number),
        number=number,
        last_name=who.last_name,
        first_name=who.first_name,
        last_kana=who.last_kana if number % 4 else None,
        first_kana=who.first_kana if number % 4 else None,
        email=f"{who.local_part}@{email_domain(tenant)}",
        employee_number=who.employee_number if number % 2 else None,
        external_key=who.internal_user_id if number % 3 == 0 else None,
        department=who.department,
        domain_id=domain_id,
    )
    if not is_odd:
        return account
    state = {7: "deleted", 19: "suspended"}.get(number % 29) or {3: "leave", 20: "pending", 41: "awaiting"}.get(
        number % 47
    )
    account = account._replace(state=state or "active")
    if is_one_in(71, number, at=11):
        other = person(seed_of(tenant), number - 1)
        address = f"{other.local_part.upper()}@{email_domain(tenant)}"
        return account._replace(email=address, employee_number=None, external_key=None)
    if is_one_in(53, number, at=9):
        # A login id of a plan without mail: nobody's real address.
        return account._replace(email=f"{who.local_part}@works-{tenant.seed}", external_key=None)
    return account


def _group(tenant: TenantPlan, number: int, domain_id: int, user_count: int) -> Team:
    count = min(user_count, 2 + mix(seed_of(tenant), number) % 12)
    first = mix(seed_of(tenant) + 5, number) % max(1, user_count - count + 1)
    topic = TOPICS[number % len(TOPICS)]
    return Team(
        id="group" + guid(seed_of(tenant) + 1, number)[5:],
        number=number,
        kind="GROUP",
        name=f"{topic}グループ{number:03d}",
        description=f"{topic}の連絡用" if number % 3 else None,
        visibility="public" if number % 5 else "private",
        member_ids=tuple(_user_id(tenant, first + n) for n in range(count)),
        domain_id=domain_id,
    )


def _unit(tenant: TenantPlan, number: int, domain_id: int, domain_count: int) -> Team:
    def unit_id(of: int) -> str:
        return "orgunit" + guid(seed_of(tenant) + 2, of)[7:]

    # A tree within each domain: every unit but the first three of a domain has a parent.
    parent = (number // domain_count // 3 - 1) * domain_count + number % domain_count
    return Team(
        id=unit_id(number),
        number=number,
        kind="ORG_UNIT",
        name=DEPARTMENTS[number % len(DEPARTMENTS)]
        + (f"第{number // len(DEPARTMENTS)}課" if number >= len(DEPARTMENTS) else ""),
        parent_id=unit_id(parent) if parent >= 0 else None,
        domain_id=domain_id,
    )


def _bot(tenant: TenantPlan, number: int, domains: tuple[int, ...]) -> App:
    has_callback = number % 3 != 1
    return App(
        id=str(2_000_001 + mix(seed_of(tenant), 33) % 1_000_000 * 1000 + number),
        number=number,
        kind="BOT",
        name=("勤怠通知", "受付ボット", "災害連絡")[number % 3] + (str(number // 3 + 1) if number // 3 else ""),
        user_id=_user_id(tenant, 0),
        callback_url=f"https://hooks.example/lineworks/{number}" if has_callback else None,
        domain_ids=domains,
    )


def user_row(user: Account, *, plan: SystemPlan) -> dict[str, Any]:
    unit = {
        "orgUnitId": f"orgunit-{user.department}",
        "orgUnitExternalKey": None,
        "orgUnitEmail": None,
        "orgUnitName": user.department,
        "primary": True,
        "positionId": None,
        "positionExternalKey": None,
        "positionName": "社員",
        "isManager": False,
        "visible": True,
        "useTeamFeature": True,
    }
    organization = {
        "domainId": user.domain_id,
        "primary": True,
        "userExternalKey": None,
        "email": user.email,
        "levelId": None,
        "levelExternalKey": None,
        "levelName": "一般社員",
        "executive": False,
        "organizationName": "本社",
        "orgUnits": [unit],
    }
    is_on_leave = user.state == "leave"
    row: dict[str, Any] = {
        "domainId": user.domain_id,
        "userId": user.id,
        "userExternalKey": user.external_key,
        "isAdministrator": user.number == 0,
        "isPending": user.state == "pending",
        "isSuspended": user.state == "suspended",
        "isDeleted": user.state == "deleted",
        "isAwaiting": user.state == "awaiting",
        "leaveOfAbsence": {
            "startTime": "2026-10-01T00:00:00+09:00" if is_on_leave else None,
            "endTime": None,
            "isLeaveOfAbsence": is_on_leave,
        },
        "suspendedReason": "MASTER" if user.state == "suspended" else None,
        "email": user.email,
        "userName": {
            "lastName": user.last_name,
            "firstName": user.first_name,
            "phoneticLastName": user.last_kana,
            "phoneticFirstName": user.first_kana,
        },
        "i18nNames": [],
        "nickName": None,
        "privateEmail": f"private{user.number}@mail.example" if user.number % 6 == 1 else None,
        "aliasEmails": [],
        "employmentTypeId": None,
        "employmentTypeName": None,
        "userTypeId": None,
        "userTypeName": None,
        "userTypeCode": None,
        "searchable": True,
        "organizations": [organization],
        "telephone": None,
        "cellPhone": None,
        "location": None,
        "task": None,
        "messenger": {"protocol": "X" if user.number % 2 else "TWITTER", "messengerId": "id"}
        if is_one_in(9, user.number, at=2)
        else None,
        "birthdayCalendarType": "SOLAR",
        "birthday": None,
        "locale": "ja_JP",
        "hiredDate": "2020-04-01",
        "timeZone": "Asia/Tokyo",
        "customProperties": {},
        "relations": [],
        "activationDate": "2030-04-01T09:00:00+09:00" if user.state == "awaiting" else None,
        "employeeNumber": user.employee_number,
    }
    for name in plan.hidden_fields:
        row.pop(name, None)
    return overlay(row, user.extra)


def group_row(group: Team) -> dict[str, Any]:
    members = [{"id": member, "type": "USER", "externalKey": None} for member in group.member_ids]
    row: dict[str, Any] = {
        "domainId": group.domain_id,
        "groupId": group.id,
        "groupName": group.name,
        "description": group.description,
        "visible": group.visibility == "public",
        "useServiceNotification": True,
        "serviceManageable": True,
        "groupExternalKey": None,
        "administrators": [{"userExternalKey": None, "userId": member} for member in group.member_ids[:1]],
        "members": members,
        "useMessage": True,
        "useNote": True,
        "useCalendar": False,
        "useTask": False,
        "useFolder": False,
        "useMail": False,
        "groupEmail": f"group{group.number}@groups.example",
        "aliasEmails": [],
        "canReceiveExternalMail": False,
        "toExternalEmails": [],
        "membersAllowedToUseGroupEmailAsRecipient": [],
        "membersAllowedToUseGroupEmailAsSender": [],
    }
    return overlay(row, group.extra)


def unit_row(unit: Team) -> dict[str, Any]:
    row: dict[str, Any] = {
        "domainId": unit.domain_id,
        "orgUnitId": unit.id,
        "orgUnitExternalKey": None,
        "orgUnitName": unit.name,
        "i18nNames": [],
        "email": None,
        "description": unit.description,
        "visible": True,
        "parentOrgUnitId": unit.parent_id,
        "parentExternalKey": None,
        "displayOrder": unit.number + 1,
        "displayLevel": 2 if unit.parent_id else 1,
        "aliasEmails": [],
        "canReceiveExternalMail": False,
        "useMessage": True,
        "useNote": False,
        "useCalendar": False,
        "useTask": False,
        "useFolder": False,
    }
    return overlay(row, unit.extra)


def bot_row(bot: App) -> dict[str, Any]:
    """A bot as the list shows it: without its callback settings."""
    return {
        "botId": int(bot.id),
        "botName": bot.name,
        "photoUrl": "https://avatars.example/bot.png",
        "i18nBotNames": [{"language": "ja_JP", "botName": bot.name}],
        "i18nPhotoUrls": [],
    }


def bot_detail(bot: App) -> Mapping[str, Any]:
    row = bot_row(bot) | {
        "description": f"{bot.name}のお知らせ",
        "administrators": [bot.user_id],
        "subadministrators": [],
        "allowDomains": list(bot.domain_ids),
        "enableCallback": bot.callback_url is not None,
        "callbackUrl": bot.callback_url,
        "callbackEvents": ["text", "image"] if bot.callback_url else [],
        "channelEvents": ["join", "leave"] if bot.callback_url else [],
        "enableGroupJoin": bot.number % 2 == 0,
        "createdTime": "2025-04-01T09:00:00+09:00",
        "modifiedTime": "2026-04-01T09:00:00+09:00",
    }
    return overlay(row, bot.extra)
