from typing import Any

import pytest

from integration_pipeline.model import State
from integration_pipeline.providers.lineworks.records import BotDetails, UserRow, bot, group, org_unit, user


def row(**fields: Any) -> UserRow:
    given: Any = {"userId": "u1", "email": "taro@example.com", **fields}
    found: UserRow = given
    return found


@pytest.mark.parametrize(
    ("fields", "state", "reason", "flags"),
    [
        ({}, State.ACTIVE, None, None),
        ({"isDeleted": True}, State.GONE, "deleted", None),
        ({"isDeleted": True, "isSuspended": True}, State.GONE, "deleted", None),
        ({"isSuspended": True, "suspendedReason": "LOGIN_FAIL"}, State.INACTIVE, "suspended", None),
        ({"leaveOfAbsence": {"isLeaveOfAbsence": True}}, State.ACTIVE, None, "leave"),
        ({"leaveOfAbsence": {"isLeaveOfAbsence": False}}, State.ACTIVE, None, None),
        ({"leaveOfAbsence": None}, State.ACTIVE, None, None),
        ({"isPending": True}, State.ACTIVE, None, "pending"),
        ({"isAwaiting": True}, State.ACTIVE, None, "pending"),
        ({"isAwaiting": True, "leaveOfAbsence": {"isLeaveOfAbsence": True}}, State.ACTIVE, None, "leave,pending"),
        ({"isDeleted": None, "isSuspended": None, "isPending": None}, State.ACTIVE, None, None),
    ],
)
def test_the_flags_of_a_user_say_what_became_of_it(
    fields: dict[str, Any], state: State, reason: str | None, flags: str | None
) -> None:
    found = user(row(**fields))
    assert (found.state, found.reason, found.flags) == (state, reason, flags)


def test_there_is_no_deleted_time() -> None:
    assert user(row(deletedTime="2026-11-20T00:00:00+09:00")).state is State.ACTIVE


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"userName": {"lastName": "山田", "firstName": "太郎"}}, "山田 太郎"),
        ({"userName": {"lastName": "山田", "firstName": None}}, "山田"),
        ({"userName": {"firstName": "太郎"}}, "太郎"),
        ({"userName": {"lastName": "山田", "firstName": " "}}, "山田"),
        ({"userName": {}, "nickName": "たろう"}, "たろう"),
        ({"userName": None}, None),
        ({}, None),
    ],
)
def test_the_family_name_comes_first(fields: dict[str, Any], name: str | None) -> None:
    assert user(row(**fields)).external_username == name


def test_addresses_that_a_person_can_edit_match_nobody() -> None:
    found = user(row(email=None, privateEmail="private@example.com", aliasEmails=["alias@example.com"]))
    assert (found.external_email, found.match_email, found.match_email_2) == (None, None, None)


def test_the_login_address_the_companys_key_and_the_employee_number_match() -> None:
    found = user(row(userExternalKey="EXT1", employeeNumber="0042"))
    assert (found.match_email, found.external_key, found.employee_number) == ("taro@example.com", "EXT1", "0042")


def test_the_organisations_key_is_not_the_users() -> None:
    assert user(row(organizations=[{"userExternalKey": "WRONG"}])).external_key is None


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_key_is_no_key(value: str | None) -> None:
    found = user(row(userExternalKey=value, employeeNumber=value, email=value))
    assert (found.external_key, found.employee_number, found.external_email) == (None, None, None)


def test_every_property_but_the_ids_may_be_missing() -> None:
    assert user({"userId": "u1"}).key == "u1"
    assert group({"groupId": "g1"}).visibility is None
    assert org_unit({"orgUnitId": "o1"}).parent_id is None
    assert bot({"botId": "1"}, {"botId": "1"}).name is None


def test_an_org_unit_knows_its_parent() -> None:
    found = org_unit({"orgUnitId": "o2", "orgUnitName": "第一課", "parentOrgUnitId": "o1"})
    assert (found.kind, found.parent_id, found.name) == ("ORG_UNIT", "o1", "第一課")


def test_equal_settings_are_equal_text_in_whatever_order_they_come() -> None:
    first: BotDetails = {"botId": "1", "callbackEvents": ["text", "image"], "allowDomains": [2, 1]}
    second: BotDetails = {"botId": "1", "allowDomains": [1, 2], "callbackEvents": ["image", "text"]}
    assert bot({"botId": "1"}, first).settings == bot({"botId": "1"}, second).settings


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hooks.example.com/x?key=himitsu", '"hooks.example.com"'),
        ("https://user:himitsu@hooks.example.com/", '"hooks.example.com"'),
        ("https://[himitsu", "null"),
        ("himitsu", "null"),
        ("", "null"),
        (None, "null"),
    ],
)
def test_of_a_callback_address_only_the_host_is_kept(url: str | None, host: str) -> None:
    settings = bot({"botId": "1"}, {"botId": "1", "callbackUrl": url}).settings
    assert f'"callback_host":{host}' in settings
    assert "himitsu" not in settings
