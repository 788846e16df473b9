from typing import Any

import pytest

from integration_pipeline.model import State, User
from integration_pipeline.providers.slack.records import (
    ChannelRow,
    Home,
    UserGroupRow,
    UserRow,
    bot,
    channel,
    own_bot,
    user,
    user_group,
)

HOME = Home("T0HOME", None, "U0OWN", "B0OWN")
GRID = Home("T0HOME", "E0ORG", "U0OWN", "B0OWN")


def row(**fields: Any) -> UserRow:
    given: Any = {"id": "U1", "team_id": "T0HOME", "name": "yamada", "is_bot": False, **fields}
    found: UserRow = given
    return found


def person(home: Home = HOME, **fields: Any) -> User:
    found = user(row(**fields), home)
    assert found is not None
    return found


def test_slackbot_is_a_bot_although_it_says_it_is_none() -> None:
    slackbot = row(id="USLACKBOT", is_bot=False, profile={"real_name": "Slackbot"})
    assert user(slackbot, HOME) is None
    assert bot(slackbot, HOME) is None


@pytest.mark.parametrize(
    "sign", [{"is_bot": True}, {"profile": {"bot_id": "B1"}}, {"is_workflow_bot": True}, {"is_connector_bot": True}]
)
@pytest.mark.parametrize("deleted", [True, False])
def test_a_bot_is_no_user_deleted_or_not(sign: dict[str, Any], *, deleted: bool) -> None:
    assert user(row(deleted=deleted, **sign), HOME) is None
    assert bot(row(deleted=deleted, **sign), HOME) is not None


def test_a_person_who_uses_the_app_is_no_bot() -> None:
    assert person(is_app_user=True).state is State.ACTIVE
    assert bot(row(is_app_user=True), HOME) is None


def test_a_deleted_row_may_be_thin() -> None:
    gone = person(deleted=True, profile={"real_name": "退職者"})
    assert (gone.state, gone.reason, gone.external_username, gone.external_email) == (
        State.GONE,
        "deleted",
        "退職者",
        None,
    )


def test_a_row_with_nothing_but_an_id_is_a_user() -> None:
    found = user({"id": "U1"}, HOME)
    assert found is not None
    assert found.state is State.ACTIVE
    assert found.external_username is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"profile": {"display_name": "やまだ", "real_name": "山田 太郎"}}, "やまだ"),
        ({"profile": {"display_name": "", "real_name": "山田 太郎"}}, "山田 太郎"),
        ({"profile": {"display_name": "　", "real_name": "山田 太郎"}}, "山田 太郎"),
        ({"profile": {}, "real_name": "山田 太郎"}, "山田 太郎"),
        ({"profile": None}, "yamada"),
    ],
)
def test_the_name_is_the_one_people_see(fields: dict[str, Any], name: str) -> None:
    assert person(**fields).external_username == name


@pytest.mark.parametrize("confirmed", [False, None])
def test_an_address_that_is_not_confirmed_is_kept_and_matches_nobody(*, confirmed: bool | None) -> None:
    found = person(profile={"email": "a@example.jp"}, is_email_confirmed=confirmed)
    assert (found.external_email, found.match_email) == ("a@example.jp", None)


def test_an_address_with_no_word_of_confirmation_matches_nobody() -> None:
    assert person(profile={"email": "a@example.jp"}).match_email is None


def test_a_confirmed_address_matches_as_it_was_given() -> None:
    assert person(profile={"email": " A@Example.jp "}, is_email_confirmed=True).match_email == " A@Example.jp "


@pytest.mark.parametrize(
    ("fields", "flags"),
    [
        ({}, None),
        ({"is_restricted": True}, "guest"),
        ({"is_restricted": True, "is_ultra_restricted": True}, "guest"),
        ({"is_invited_user": True}, "pending"),
        ({"is_invited_user": True, "is_restricted": True, "team_id": "T0OTHER"}, "external,guest,pending"),
    ],
)
def test_guests_and_invited_people_are_active_with_a_flag(fields: dict[str, Any], flags: str | None) -> None:
    found = person(**fields)
    assert (found.state, found.flags) == (State.ACTIVE, flags)


def test_another_companys_account_is_flagged_and_its_address_proves_nothing() -> None:
    found = person(team_id="T0OTHER", profile={"email": "boss@example.jp"}, is_email_confirmed=True)
    assert (found.state, found.flags, found.external_email, found.match_email) == (
        State.ACTIVE,
        "external",
        "boss@example.jp",
        None,
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"team_id": "E0ORG"},
        {"team_id": "T0SISTER", "enterprise_user": {"enterprise_id": "E0ORG", "teams": ["T0SISTER"]}},
        {"team_id": "T0SISTER", "enterprise_user": {"teams": ["T0SISTER", "T0HOME"]}},
        {"team_id": None},
    ],
)
def test_a_colleague_in_another_workspace_of_the_organisation_is_no_stranger(fields: dict[str, Any]) -> None:
    assert person(GRID, **fields).flags is None


def test_another_organisations_account_is_a_stranger() -> None:
    enterprise_user = {"enterprise_id": "E0OTHER", "teams": ["T0OTHER"]}
    assert person(GRID, team_id="T0OTHER", enterprise_user=enterprise_user).flags == "external"
    assert person(HOME, team_id="T0OTHER", enterprise_user=enterprise_user).flags == "external"


def test_a_bot_goes_by_its_bot_id_else_by_its_user_id() -> None:
    with_id, without = bot(row(is_bot=True, profile={"bot_id": "B1"}), HOME), bot(row(is_bot=True), HOME)
    assert with_id is not None
    assert without is not None
    assert (with_id.key, without.key) == ("B1", "U1")


def test_our_own_bot_is_the_same_whoever_tells_of_it() -> None:
    listed = bot(row(id="U0OWN", is_bot=True, profile={"real_name": "名簿同期", "api_app_id": "A0"}), HOME)
    told = own_bot({"id": "B0OWN", "name": "名簿同期", "app_id": "A0", "user_id": "U0OWN", "deleted": False})
    assert listed == told


def test_settings_are_equal_text_when_they_are_equal() -> None:
    setting = own_bot({"id": "B0OWN", "app_id": "A0"})
    assert setting.settings == (
        '{"app_id":"A0","is_connector_bot":false,"is_own":true,"is_workflow_bot":false,"user_id":null}'
    )


@pytest.mark.parametrize(
    ("fields", "is_kept"),
    [
        ({"is_private": True, "is_member": True}, True),
        ({"is_private": True, "is_member": False}, False),
        ({"is_private": True}, False),
        ({"is_private": False, "is_member": False}, True),
        ({"is_private": True, "is_group": True, "is_member": True}, True),
    ],
)
def test_a_private_channel_without_the_app_is_nobodys_business(fields: dict[str, Any], *, is_kept: bool) -> None:
    given: ChannelRow = {"id": "C1", "name": "x", **fields}  # type: ignore[typeddict-item]
    assert (channel(given) is not None) == is_kept


def test_what_changes_every_day_is_not_in_a_channels_record() -> None:
    quiet: ChannelRow = {"id": "C1", "name": "x"}
    busy: Any = {**quiet, "num_members": 7, "previous_names": ["y"], "updated": 1678229664302, "topic": {"value": "z"}}
    assert channel(quiet) == channel(busy)


@pytest.mark.parametrize(
    ("date_delete", "state"), [(0, State.ACTIVE), (None, State.ACTIVE), (1480527098, State.INACTIVE)]
)
def test_a_user_group_with_a_date_of_deletion_is_disabled(date_delete: int | None, state: State) -> None:
    given: UserGroupRow = {"id": "S1", "date_delete": date_delete}
    assert user_group(given).state is state
