import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    InvalidResponse,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
)
from integration_pipeline.model import Rejection, Setting, SyncType, User
from integration_pipeline.provider import Session
from integration_pipeline.providers.slack import PROVIDER
from integration_pipeline_tests.providers.canned import Body, CannedApi, as_json, read, records, samples, session

FOLDER = Path(__file__).parent
SAMPLES = samples(FOLDER)
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
WORKSPACE: Mapping[str, Any] = {
    "auth.test": SAMPLES["auth_test"],
    "team.info": SAMPLES["team_info"],
    "users.list": SAMPLES["users_list"],
    "conversations.list": SAMPLES["conversations_list"],
    "usergroups.list": SAMPLES["usergroups_list"],
    "bots.info": SAMPLES["bots_info"],
}


def workspace(connection: Mapping[str, Any] | None = None, **answers: Any) -> tuple[Session, CannedApi]:
    replaced: dict[str, Body] = {method.replace("_", "."): body for method, body in answers.items()}
    return session(PROVIDER, {**WORKSPACE, **replaced}, **(connection or {}))


def refused(code: str, **more: str) -> dict[str, Any]:
    return {"ok": False, "error": code, **more}


def members(*rows: Mapping[str, Any], cursor: str = "") -> dict[str, Any]:
    return {"ok": True, "members": list(rows), "response_metadata": {"next_cursor": cursor}}


def person(key: str, **fields: Any) -> dict[str, Any]:
    return {"id": key, "team_id": "T012AB3C4", "profile": {"real_name": "山田", "email": f"{key}@example.jp"}, **fields}


def robot(key: str, **fields: Any) -> dict[str, Any]:
    return {"id": key, "is_bot": True, "profile": {"real_name": "ボット", "bot_id": f"B{key}"}, **fields}


@pytest.mark.parametrize("sync_type", list(SyncType))
def test_the_samples_become_the_expected_records(sync_type: SyncType) -> None:
    current, _ = workspace()
    assert [as_json(record) for record in records(read(PROVIDER, sync_type, current))] == EXPECTED[sync_type]
    assert current.warnings == []


def test_a_whole_night_asks_for_everything_once() -> None:
    current, api = workspace()
    for sync_type in SyncType:
        read(PROVIDER, sync_type, current)
    assert api.paths == ["auth.test", "team.info", "users.list", "conversations.list", "usergroups.list", "bots.info"]


def test_arguments_are_what_slack_documents() -> None:
    current, api = workspace()
    for sync_type in SyncType:
        read(PROVIDER, sync_type, current)
    asked = dict(api.asked)
    assert asked["users.list"] == {"limit": "1000"}
    assert asked["conversations.list"] == {"types": "public_channel,private_channel", "limit": "999"}
    assert asked["usergroups.list"] == {"include_disabled": "1"}
    assert asked["bots.info"] == {"bot": "B0SYNCBOT"}


def test_the_listings_are_named_and_the_first_one_counts() -> None:
    current, _ = workspace()
    listings = [listing for sync_type in SyncType for listing in PROVIDER.listings[sync_type](current)]
    assert [(listing.name, listing.is_main) for listing in listings] == [
        ("users", True),
        ("channels", True),
        ("usergroups", False),
        ("bots", True),
    ]
    assert all(listing.proves_absence for listing in listings)


def test_the_workspace_is_described_by_what_stays() -> None:
    current, _ = workspace()
    read(PROVIDER, SyncType.USERS, current)
    assert current.workspace == {
        "team_id": "T012AB3C4",
        "name": "大和商事",
        "domain": "yamato-shoji",
        "url": "https://yamato-shoji.slack.com/",
        "user_id": "U0SYNCBOT",
        "bot_id": "B0SYNCBOT",
    }


def test_without_team_read_the_sync_goes_on_and_says_so() -> None:
    current, _ = workspace(team_info=refused("missing_scope", needed="team:read"))
    assert records(read(PROVIDER, SyncType.USERS, current))
    assert "team:read" in current.warnings[0]
    assert current.workspace is not None
    assert current.workspace["name"] == "大和商事"


def test_a_workspace_of_which_nothing_is_known_is_not_synced() -> None:
    current, _ = workspace(auth_test=refused("account_inactive"))
    with pytest.raises(CredentialsError):
        read(PROVIDER, SyncType.USERS, current)


@pytest.mark.parametrize("sync_type", [SyncType.USERS, SyncType.NOTIFICATIONS])
def test_an_empty_page_with_a_cursor_is_not_the_end(sync_type: SyncType) -> None:
    pages = [members(cursor="dXNlcjox="), members(person("U1"), robot("U2"))]
    current, api = workspace(users_list=pages)
    found = records(read(PROVIDER, sync_type, current))
    assert len(found) == (1 if sync_type is SyncType.USERS else 2)
    assert [params for path, params in api.asked if path == "users.list"] == [
        {"limit": "1000"},
        {"limit": "1000", "cursor": "dXNlcjox="},
    ]


def test_channels_are_asked_for_with_the_same_arguments_at_every_cursor() -> None:
    pages = [
        {"ok": True, "channels": [], "response_metadata": {"next_cursor": "dGVhbTo="}},
        SAMPLES["conversations_list"],
    ]
    current, api = workspace(conversations_list=pages)
    read(PROVIDER, SyncType.TEAMS, current)
    first, second = (params for path, params in api.asked if path == "conversations.list")
    assert second == {**first, "cursor": "dGVhbTo="}


@pytest.mark.parametrize(
    "end", [{}, {"response_metadata": None}, {"response_metadata": {}}, {"response_metadata": {"next_cursor": None}}]
)
def test_a_page_without_a_cursor_is_the_last(end: Mapping[str, Any]) -> None:
    current, _ = workspace(users_list={"ok": True, "members": [person("U1")], **end})
    assert len(records(read(PROVIDER, SyncType.USERS, current))) == 1


@pytest.mark.parametrize("refusal", [refused("limit_required"), ProviderFault("503"), TimedOut("too long")])
def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(refusal: Any) -> None:
    current, api = workspace(users_list=[refusal, members(person("U1"), cursor="next"), members(person("U2"))])
    assert len(records(read(PROVIDER, SyncType.USERS, current))) == 2
    assert [params["limit"] for path, params in api.asked if path == "users.list"] == ["1000", "200", "200"]


@pytest.mark.parametrize(("page_size", "asked"), [(50, ["50"]), (500, ["500"]), (5000, ["1000"])])
def test_a_connection_may_ask_for_smaller_pages(page_size: int, asked: list[str]) -> None:
    current, api = workspace({"options": {"page_size": page_size}})
    read(PROVIDER, SyncType.USERS, current)
    assert [params["limit"] for path, params in api.asked if path == "users.list"] == asked


@pytest.mark.parametrize("body", [{"ok": True}, {"ok": True, "members": None}, {"ok": True, "members": {}}])
def test_a_page_without_its_list_is_unreadable_and_never_empty(body: Any) -> None:
    current, _ = workspace(users_list=body)
    with pytest.raises(InvalidResponse):
        read(PROVIDER, SyncType.USERS, current)


def test_a_broken_second_page_fails_the_listing() -> None:
    current, _ = workspace(users_list=[members(person("U1"), cursor="next"), refused("invalid_cursor")])
    with pytest.raises(ProviderError, match="invalid_cursor"):
        read(PROVIDER, SyncType.USERS, current)


def test_a_row_that_cannot_be_read_is_rejected_by_its_id_and_without_its_contents() -> None:
    current, _ = workspace(users_list=members(person("U1"), person("U2", deleted="秘密"), {"name": "nobody"}))
    (page,) = read(PROVIDER, SyncType.USERS, current)["users"]
    assert [record.key for record in page.records] == ["U1"]
    assert [(rejected.key, rejected.kind) for rejected in page.rejected] == [("U2", "USER"), (None, "USER")]
    assert all("秘密" not in rejected.message for rejected in page.rejected)


def test_a_missing_email_scope_is_said_once() -> None:
    silent = [person(f"U{number}", profile={"real_name": "山田"}) for number in range(3)]
    current, _ = workspace(users_list=[members(*silent[:2], cursor="next"), members(silent[2])])
    read(PROVIDER, SyncType.USERS, current)
    assert len(current.warnings) == 1
    assert "users:read.email" in current.warnings[0]


@pytest.mark.parametrize("rows", [[], [robot("U1")], [person("U1"), person("U2", profile={"real_name": "山田"})]])
def test_an_address_here_and_there_is_no_missing_scope(rows: list[dict[str, Any]]) -> None:
    current, _ = workspace(users_list=members(*rows))
    read(PROVIDER, SyncType.USERS, current)
    assert current.warnings == []


@pytest.mark.parametrize("code", ["plan_upgrade_required", "paid_teams_only"])
def test_a_plan_without_user_groups_takes_none_away_and_fails_nothing(code: str) -> None:
    current, _ = workspace(usergroups_list=refused(code))
    _, groups = PROVIDER.listings[SyncType.TEAMS](current)
    assert groups.name == "usergroups"
    assert list(groups.pages) == []
    assert not groups.proves_absence


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("missing_scope", needed="usergroups:read"), Forbidden),
        (RateLimited("429"), RateLimited),
        ({"ok": True}, InvalidResponse),
    ],
)
def test_user_groups_that_cannot_be_read_are_a_listing_that_raises(answer: Any, error: type[ProviderError]) -> None:
    current, _ = workspace(usergroups_list=answer)
    channels, groups = PROVIDER.listings[SyncType.TEAMS](current)
    assert channels.name == "channels"
    with pytest.raises(error):
        list(groups.pages)


def test_private_channels_without_the_scope_are_not_taken_for_gone() -> None:
    current, _ = workspace(conversations_list=refused("missing_scope", needed="groups:read"))
    with pytest.raises(Forbidden, match="groups:read"):
        read(PROVIDER, SyncType.TEAMS, current)


def test_bots_are_listed_anew_where_users_were_not() -> None:
    current, api = workspace()
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert api.paths == ["auth.test", "team.info", "bots.info", "users.list"]
    assert [as_json(record) for record in found] == EXPECTED["NOTIFICATIONS"]


def test_a_walk_broken_off_is_not_remembered() -> None:
    current, api = workspace(users_list=[members(robot("U1"), cursor="next"), members(robot("U1"), robot("U2"))])
    for listing in PROVIDER.listings[SyncType.USERS](current):
        list(islice(listing.pages, 1))
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert [record.key for record in found] == ["B0SYNCBOT", "BU1", "BU2"]
    assert api.paths.count("users.list") == 2


def test_a_failed_walk_is_not_remembered() -> None:
    pages = [members(robot("U1"), cursor="next"), refused("invalid_cursor"), members(robot("U1"), robot("U2"))]
    current, _ = workspace(users_list=pages)
    with pytest.raises(ProviderError):
        read(PROVIDER, SyncType.USERS, current)
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert [record.key for record in found] == ["B0SYNCBOT", "BU1", "BU2"]


def test_a_bot_on_two_pages_shows_that_a_person_or_another_bot_may_have_been_skipped() -> None:
    pages = [members(person("U9"), robot("U1"), cursor="next"), members(robot("U1"), person("U8"))]
    current, api = workspace(users_list=[*pages, members(robot("U1"), robot("U2"))])
    first, second = read(PROVIDER, SyncType.USERS, current)["users"]
    assert (first.rejected, [rejected.key for rejected in second.rejected]) == ([], [None])
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert [record.key for record in found] == ["B0SYNCBOT", "BU1", "BU2"]
    assert api.paths.count("users.list") == 3


def test_a_bot_twice_on_one_page_is_one_bot() -> None:
    current, _ = workspace(users_list=members(robot("U1"), robot("U1"), person("U9")))
    assert [page.rejected for page in read(PROVIDER, SyncType.USERS, current)["users"]] == [[]]


def test_a_persons_row_that_cannot_be_read_costs_no_bot() -> None:
    broken = person("U9", is_restricted="秘密")
    current, api = workspace(users_list=members(robot("U1"), broken))
    assert read(PROVIDER, SyncType.USERS, current)["users"][0].rejected
    pages = read(PROVIDER, SyncType.NOTIFICATIONS, current)["bots"]
    assert [setting.key for page in pages for setting in page.records] == ["B0SYNCBOT", "BU1"]
    assert [rejected for page in pages for rejected in page.rejected] == []
    assert api.paths.count("users.list") == 2


def test_a_row_that_may_be_any_bot_leaves_the_listing_unproven() -> None:
    current, _ = workspace(users_list=members(robot("U1"), robot("U2", profile=7)))
    pages = read(PROVIDER, SyncType.NOTIFICATIONS, current)["bots"]
    assert [(rejected.key, rejected.kind) for page in pages for rejected in page.rejected] == [(None, "BOT")]
    assert all(isinstance(rejected, Rejection) for page in pages for rejected in page.rejected)


def test_our_own_bot_is_one_record() -> None:
    current, _ = workspace()
    read(PROVIDER, SyncType.USERS, current)
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert [record.key for record in found].count("B0SYNCBOT") == 1


def test_an_own_bot_that_slack_does_not_find_is_told_by_the_users() -> None:
    current, _ = workspace(bots_info=NotFound("bot_not_found"))
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    own = [record for record in found if isinstance(record, Setting) and '"is_own":true' in record.settings]
    assert [record.key for record in own] == ["B0SYNCBOT"]


def test_an_own_bot_that_cannot_be_read_fails_the_listing() -> None:
    current, _ = workspace(bots_info=refused("internal_error"))
    with pytest.raises(ProviderFault):
        read(PROVIDER, SyncType.NOTIFICATIONS, current)


def test_a_token_without_a_bot_lists_the_other_bots() -> None:
    me = {name: value for name, value in SAMPLES["auth_test"].items() if name not in {"bot_id", "user_id"}}
    current, api = workspace(auth_test=me)
    assert [record.key for record in records(read(PROVIDER, SyncType.NOTIFICATIONS, current))] == [
        "B0SYNCBOT",
        "B0KINTAI",
        "B0OLDBOT",
    ]
    assert "bots.info" not in api.paths


def test_names_of_any_script_are_kept_whole() -> None:
    name = "𠮷野家 👩‍👩‍👧 " + "長" * 500
    current, _ = workspace(users_list=members(person("U1", profile={"display_name": name, "email": "x@example.jp"})))
    (found,) = records(read(PROVIDER, SyncType.USERS, current))
    assert isinstance(found, User)
    assert found.external_username == name


def test_a_probe_of_a_complete_installation_misses_nothing() -> None:
    current, api = workspace()
    found = PROVIDER.probe(current)
    assert (found.workspace, list(found.missing)) == ("大和商事", [])
    assert api.calls == 5


def test_a_probe_names_every_missing_scope() -> None:
    current, _ = workspace(
        team_info=refused("missing_scope", needed="team:read"),
        users_list=members(person("U1", profile={"real_name": "山田"})),
        conversations_list=refused("missing_scope", needed="groups:read"),
        usergroups_list=refused("missing_scope", needed="usergroups:read"),
    )
    found = PROVIDER.probe(current)
    text = "\n".join(found.missing)
    assert all(scope in text for scope in ("team:read", "groups:read", "usergroups:read", "users:read.email"))
    assert [remedy.split()[4] for remedy in found.remedies] == ["groups:read", "usergroups:read", "users:read.email"]
    assert all("under OAuth & Permissions" in remedy for remedy in found.remedies)


def test_a_probe_does_not_ask_the_free_plan_for_user_groups() -> None:
    current, _ = workspace(usergroups_list=refused("plan_upgrade_required"))
    assert list(PROVIDER.probe(current).missing) == []


def test_every_methods_tier_counts_for_itself() -> None:
    tiers = {operation: limits[0].requests for operation, limits in PROVIDER.limits.items()}
    assert {limits[0].seconds for limits in PROVIDER.limits.values()} == {60.0}
    assert tiers["users.list"] == tiers["conversations.list"] == tiers["usergroups.list"] == 20
    assert tiers["team.info"] == tiers["bots.info"] == 50
    assert tiers["auth.test"] == 600
    assert len({limits[0].name for limits in PROVIDER.limits.values()}) == len(PROVIDER.limits)
