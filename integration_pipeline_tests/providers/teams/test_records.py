"""Graph's rows become our records: who is active, who is a guest, whose address may match, what is kept of settings."""

import json
from typing import Any

import pytest

from integration_pipeline.model import State
from integration_pipeline.providers.teams import records
from integration_pipeline.providers.teams.pages import CHANNELS, SUBSCRIPTIONS, TEAMS, USERS

YAMADA: records.UserRow = {
    "id": "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0",
    "displayName": "山田 太郎 / Yamada Taro",
    "mail": "taro.yamada@contoso.co.jp",
    "userPrincipalName": "t-yamada@contoso.onmicrosoft.com",
    "employeeId": "100234",
    "userType": "Member",
    "externalUserState": None,
    "accountEnabled": True,
}


def row(**changes: Any) -> records.UserRow:
    return {**YAMADA, **changes}  # type: ignore[typeddict-item]


def test_an_employee_is_active_and_matched_by_number_then_mail_then_upn() -> None:
    user = records.user(YAMADA)
    assert (user.key, user.state, user.reason, user.flags) == (YAMADA["id"], State.ACTIVE, None, None)
    assert user.external_username == "山田 太郎 / Yamada Taro"
    assert user.employee_number == "100234"
    assert (user.match_email, user.match_email_2) == ("taro.yamada@contoso.co.jp", "t-yamada@contoso.onmicrosoft.com")
    assert user.external_email == "taro.yamada@contoso.co.jp"
    assert user.external_key is None


def test_a_disabled_account_is_inactive() -> None:
    user = records.user(row(displayName="会議室A", accountEnabled=False))
    assert (user.state, user.reason) == (State.INACTIVE, "disabled")


def test_an_account_of_which_graph_says_null_is_not_switched_off() -> None:
    assert records.user(row(accountEnabled=None)).state is State.ACTIVE


def test_an_account_without_the_enabled_field_is_rejected_by_name_and_not_taken_for_enabled() -> None:
    bare = {name: value for name, value in YAMADA.items() if name != "accountEnabled"}
    page, rejected = USERS.rows.read(json.dumps({"value": [bare, YAMADA]}).encode())
    assert [good["id"] for good in page["value"]] == [YAMADA["id"]]
    assert [(one.key, one.kind) for one in rejected] == [(YAMADA["id"], "USER")]
    assert rejected[0].message.startswith("accountEnabled: ")
    assert "山田" not in rejected[0].message


def test_a_guest_is_flagged_and_matched_by_mail_only() -> None:
    guest = records.user(
        row(
            displayName="佐藤 花子(パートナー)",
            mail="hanako@partner.jp",
            userPrincipalName="hanako_partner.jp#EXT#@contoso.onmicrosoft.com",
            userType="Guest",
            externalUserState="PendingAcceptance",
        )
    )
    assert guest.flags == "guest,pending"
    assert guest.state is State.ACTIVE
    assert (guest.match_email, guest.match_email_2) == ("hanako@partner.jp", None)


@pytest.mark.parametrize(
    ("user_type", "principal", "flags"),
    [
        (None, "old@contoso.co.jp", None),
        (None, "a_partner.jp#ext#@contoso.onmicrosoft.com", "guest"),
        ("Member", "sister_fabrikam.jp#EXT#@contoso.onmicrosoft.com", None),
        ("Guest", "guest@contoso.co.jp", "guest"),
    ],
)
def test_an_old_account_without_a_type_is_a_member_unless_its_upn_is_external(
    user_type: str | None, principal: str, flags: str | None
) -> None:
    assert records.user(row(userType=user_type, userPrincipalName=principal)).flags == flags


def test_an_external_upn_is_nobodys_address() -> None:
    user = records.user(row(mail=None, userPrincipalName="a_partner.jp#EXT#@contoso.onmicrosoft.com"))
    assert (user.external_email, user.match_email, user.match_email_2) == (None, None, None)


def test_an_account_without_mail_shows_its_upn_and_matches_by_it_second() -> None:
    user = records.user(row(mail=None, employeeId=""))
    assert user.external_email == user.match_email_2 == "t-yamada@contoso.onmicrosoft.com"
    assert user.match_email is None
    assert user.employee_number is None


def test_only_what_is_used_is_asked_for_and_addresses_a_user_can_edit_are_not() -> None:
    assert records.USER_FIELDS.split(",") == list(YAMADA)
    assert "otherMails" not in records.USER_FIELDS


def test_an_archived_team_is_there_but_archived() -> None:
    team = records.team(
        {"id": "t", "displayName": "営業部", "description": None, "visibility": "private", "isArchived": True}
    )
    assert (team.kind, team.state, team.is_archived, team.visibility) == ("TEAM", State.ACTIVE, True, "private")
    assert (team.name, team.description, team.parent_id) == ("営業部", None, None)


def test_a_channel_keeps_graphs_own_word_for_its_membership() -> None:
    channel = records.channel({"id": "19:a@thread.tacv2", "displayName": "極秘", "membershipType": "shared"}, "t")
    assert (channel.kind, channel.parent_id, channel.visibility, channel.is_archived) == (
        "CHANNEL",
        "t",
        "shared",
        False,
    )
    assert records.channel({"id": "19:b", "isArchived": True}, "t").is_archived


def test_a_channel_without_a_readable_id_is_rejected_without_one() -> None:
    page, rejected = CHANNELS.rows.read_value({"value": [{"id": ""}, {"id": "19:ok"}, {"displayName": "無名"}]})
    assert [good["id"] for good in page["value"]] == ["19:ok"]
    assert [one.key for one in rejected] == [None, None]


def test_an_installed_app_keeps_the_stable_facts_as_one_text() -> None:
    setting = records.installed_app(
        {
            "id": "aW5zdGFsbGF0aW9u",
            "teamsApp": {
                "id": "app-1",
                "externalId": "ext-1",
                "distributionMethod": "organization",
                "displayName": "古い",
            },
            "teamsAppDefinition": {"teamsAppId": "app-1", "displayName": "勤怠ボット", "version": "1.2.0"},
        },
        "t",
    )
    assert (setting.key, setting.kind, setting.external_team_id) == ("aW5zdGFsbGF0aW9u", "INSTALLED_APP", "t")
    assert setting.name == "勤怠ボット"
    assert setting.settings == (
        '{"distributionMethod":"organization","externalId":"ext-1","teamsAppId":"app-1","version":"1.2.0"}'
    )


def test_an_installed_app_that_left_the_catalogue_is_still_a_record() -> None:
    setting = records.installed_app({"id": "i", "teamsApp": None, "teamsAppDefinition": None}, "t")
    assert setting.name is None
    assert set(json.loads(setting.settings).values()) == {None}


def test_a_subscription_keeps_no_secret() -> None:
    body = {
        "value": [
            {
                "id": "s",
                "resource": "/teams/getAllMessages",
                "changeType": "created,updated",
                "clientState": "top-secret",
                "notificationUrl": "https://user:pass@hooks.example/graph?sig=top-secret#top-secret",
                "expirationDateTime": "2026-11-24T00:00:00Z",
                "applicationId": "client",
            }
        ]
    }
    page, rejected = SUBSCRIPTIONS.rows.read(json.dumps(body).encode())
    setting = records.subscription(page["value"][0])
    assert rejected == []
    assert "secret" not in str(setting)
    assert "pass" not in str(setting)
    kept = json.loads(setting.settings)
    assert kept["notificationUrl"] == "https://hooks.example/graph"
    assert kept["expirationDateTime"] == "2026-11-24T00:00:00Z"
    assert (setting.kind, setting.name, setting.external_team_id) == ("SUBSCRIPTION", "/teams/getAllMessages", None)


@pytest.mark.parametrize("url", [None, "http://[broken"])
def test_a_notification_url_that_is_none_stays_none(url: str | None) -> None:
    setting = records.subscription({"id": "s", "notificationUrl": url})
    assert json.loads(setting.settings)["notificationUrl"] is None


def test_a_team_whose_answer_is_no_object_is_no_team() -> None:
    page, rejected = TEAMS.rows.read_value({"value": [None]})
    assert page["value"] == []
    assert len(rejected) == 1
