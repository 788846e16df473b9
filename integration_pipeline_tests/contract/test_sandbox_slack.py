"""slack_sdk judges the sandbox's Slack: what the vendor's own client understands is what Slack would have said."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build

TENANT = "tenant-0001"


def client(sandbox: Sandbox, token: str | None = None) -> WebClient:
    return WebClient(
        token=entry(sandbox)["access_token"] if token is None else token,
        base_url=sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"],
    )


def entry(sandbox: Sandbox) -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads(sandbox.world.connections_json())
    return next(found for found in entries if found["system_type"] == "SLACK")


def slack(**settings: Any) -> World:
    return build(systems=["SLACK"], **{"users": 120, "channels": 40, "groups": 6, **settings})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(slack()) as running:
        yield running


def members(found: WebClient, **arguments: Any) -> list[dict[str, Any]]:
    return [row for page in found.users_list(**arguments) for row in page["members"]]


def test_the_vendors_iteration_finds_every_user_once(sandbox: Sandbox) -> None:
    rows = members(client(sandbox), limit=50)

    assert [row["id"] for row in rows] == [user.id for user in sandbox.world.workspace(TENANT, "SLACK").users]
    assert len({row["id"] for row in rows}) == 120 + 3 + 1


def test_an_empty_page_with_a_cursor_is_passed_by() -> None:
    with Sandbox(slack(empty_pages=True)) as sandbox:
        pages = [page["members"] for page in client(sandbox).users_list(limit=50)]

    assert [len(page) for page in pages] == [50, 0, 50, 0, 24]


def test_a_deleted_user_is_listed_thin(sandbox: Sandbox) -> None:
    rows = members(client(sandbox))
    deleted = [row for row in rows if row["deleted"]]

    assert deleted
    assert not [row for row in deleted if {"tz", "real_name", "is_admin", "is_restricted"} & row.keys()]
    assert {"id", "team_id", "name", "profile", "is_bot", "updated"} <= deleted[0].keys()


def test_slackbot_says_it_is_no_bot_and_has_no_address(sandbox: Sandbox) -> None:
    slackbot = next(row for row in members(client(sandbox)) if row["id"] == "USLACKBOT")

    assert slackbot["is_bot"] is False
    assert "email" not in slackbot["profile"]


def test_guests_and_bots_are_marked(sandbox: Sandbox) -> None:
    rows = members(client(sandbox))
    bots = [row for row in rows if row["is_bot"]]

    assert [row for row in rows if row.get("is_ultra_restricted") and row["is_restricted"]]
    assert [row for row in rows if row.get("is_restricted") and not row["is_ultra_restricted"]]
    assert [row for row in rows if row.get("is_invited_user")]
    assert [row for row in bots if row.get("is_workflow_bot")]
    assert client(sandbox).bots_info(bot=bots[0]["profile"]["bot_id"])["bot"]["user_id"] == bots[0]["id"]


def test_without_the_email_scope_the_key_is_absent_and_the_call_succeeds() -> None:
    with Sandbox(slack(missing_scopes=["users:read.email"])) as sandbox:
        rows = members(client(sandbox))

    assert rows
    assert not [row for row in rows if "email" in row["profile"]]


def test_a_missing_scope_is_named() -> None:
    with Sandbox(slack(missing_scopes=["usergroups:read"])) as sandbox, pytest.raises(SlackApiError) as refusal:
        client(sandbox).usergroups_list()

    response = refusal.value.response
    assert (response.status_code, response["error"], response["needed"]) == (200, "missing_scope", "usergroups:read")
    assert "users:read" in response["provided"].split(",")
    assert "users:read" in response.headers["x-oauth-scopes"]


def test_private_channels_need_their_scope_for_the_whole_call() -> None:
    with Sandbox(slack(missing_scopes=["groups:read"])) as sandbox:
        found = client(sandbox)
        with pytest.raises(SlackApiError) as refusal:
            found.conversations_list(types="public_channel,private_channel")

        assert refusal.value.response["needed"] == "groups:read"
        assert found.conversations_list(types="public_channel")["channels"]


def test_private_channels_are_listed_where_the_app_is_a_member(sandbox: Sandbox) -> None:
    rows = [
        row
        for page in client(sandbox).conversations_list(types="public_channel,private_channel", limit=7)
        for row in page["channels"]
    ]
    private = [row for row in rows if row["is_private"]]
    there = sandbox.world.workspace(TENANT, "SLACK").teams.rows("CHANNEL")

    assert private
    assert all(row["is_member"] for row in private)
    assert {row["id"] for row in rows} == {team.id for team in there if team.visibility == "public" or team.has_app}
    assert len(rows) < len(there)


def test_filters_come_after_the_page_is_cut(sandbox: Sandbox) -> None:
    pages = [page["channels"] for page in client(sandbox).conversations_list(exclude_archived=True, limit=5)]

    assert min(len(page) for page in pages[:-1]) < 5
    assert not [row for page in pages for row in page if row["is_archived"]]


def test_times_are_seconds_for_users_and_milliseconds_for_channels(sandbox: Sandbox) -> None:
    found = client(sandbox)

    assert members(found)[0]["updated"] < 10**10
    assert found.conversations_list()["channels"][0]["updated"] > 10**12


@pytest.mark.parametrize("limit", [0, 1000, 5000])
def test_channels_come_by_less_than_a_thousand(sandbox: Sandbox, limit: int) -> None:
    found = client(sandbox)
    if limit == 0:
        assert len(found.conversations_list(limit=limit)["channels"]) > 0
        return
    with pytest.raises(SlackApiError) as refusal:
        found.conversations_list(limit=limit)
    assert refusal.value.response["error"] == "invalid_limit"


def test_many_users_without_a_limit_are_refused_and_a_thousand_is_the_largest_page() -> None:
    with Sandbox(slack(users=1500)) as sandbox:
        found = client(sandbox)
        with pytest.raises(SlackApiError) as refusal:
            found.users_list()

        assert refusal.value.response["error"] == "limit_required"
        assert len(found.users_list(limit=5000)["members"]) == 1000
        assert len(members(found, limit=1000)) == 1504


def test_a_made_up_cursor_is_refused(sandbox: Sandbox) -> None:
    for cursor in ("nonsense", "dGVhbTox", "dXNlcjp4"):
        with pytest.raises(SlackApiError) as refusal:
            client(sandbox).users_list(cursor=cursor)
        assert refusal.value.response["error"] == "invalid_cursor"


def test_a_channels_members_come_in_pages(sandbox: Sandbox) -> None:
    found = client(sandbox)
    channels = sandbox.world.workspace(TENANT, "SLACK").teams.rows("CHANNEL")
    public, hidden = channels[0], next(row for row in channels if row.visibility == "private" and not row.has_app)
    pages = [page["members"] for page in found.conversations_members(channel=public.id, limit=2)]
    with pytest.raises(SlackApiError) as refusal:
        found.conversations_info(channel=hidden.id)

    assert [member for page in pages for member in page] == list(public.member_ids)
    assert found.conversations_info(channel=public.id)["channel"]["num_members"] == len(public.member_ids)
    assert refusal.value.response["error"] == "channel_not_found"


def test_user_groups_count_as_a_string_or_a_number(sandbox: Sandbox) -> None:
    found = client(sandbox)
    groups = found.usergroups_list(include_disabled=True, include_count=True, include_users=True)["usergroups"]

    assert {type(group["user_count"]) for group in groups} == {str, int}
    assert {group["date_delete"] > 0 for group in groups} == {True, False}
    assert not [group for group in found.usergroups_list()["usergroups"] if group["date_delete"]]


def test_the_workspace_and_the_token_introduce_themselves(sandbox: Sandbox) -> None:
    found = client(sandbox)
    me, team = found.auth_test(), found.team_info()["team"]

    assert me["team_id"] == team["id"]
    assert team["name"] == "第1株式会社"
    assert found.users_info(user=me["user_id"])["user"]["is_bot"]


@pytest.mark.parametrize(
    ("token", "error"), [("", "not_authed"), ("xoxb-made-up", "invalid_auth"), ("xoxb-00ff", "invalid_auth")]
)
def test_strangers_are_refused_at_status_200(sandbox: Sandbox, token: str, error: str) -> None:
    with pytest.raises(SlackApiError) as refusal:
        client(sandbox, token).auth_test()

    assert (refusal.value.response.status_code, refusal.value.response["error"]) == (200, error)


@pytest.mark.parametrize("problem", ["token_revoked", "account_inactive", "invalid_auth"])
def test_credentials_can_be_broken_in_slacks_own_words(problem: str) -> None:
    with Sandbox(slack(problem=problem)) as sandbox, pytest.raises(SlackApiError) as refusal:
        client(sandbox).users_list()

    assert refusal.value.response["error"] == problem


def test_a_token_without_rotation_never_expires(sandbox: Sandbox) -> None:
    assert entry(sandbox)["access_token"].startswith("xoxb-")
    assert (entry(sandbox)["refresh_token"], entry(sandbox)["token_expires_at"]) == (None, None)


def refresh(sandbox: Sandbox, refresh_token: str, *, secret: str | None = None) -> Any:
    given = entry(sandbox)
    return client(sandbox, "").oauth_v2_access(
        client_id=given["client_id"],
        client_secret=secret or given["client_secret"],
        grant_type="refresh_token",
        refresh_token=refresh_token,
    )


def test_a_refresh_token_works_once_and_two_access_tokens_live() -> None:
    with Sandbox(slack(rotation=True)) as sandbox:
        first = entry(sandbox)
        second = refresh(sandbox, first["refresh_token"])
        with pytest.raises(SlackApiError) as spent:
            refresh(sandbox, first["refresh_token"])
        client(sandbox, first["access_token"]).auth_test()
        third = refresh(sandbox, second["refresh_token"])
        with pytest.raises(SlackApiError) as old:
            client(sandbox, first["access_token"]).auth_test()

        client(sandbox, second["access_token"]).auth_test()
        client(sandbox, third["access_token"]).auth_test()

    assert spent.value.response["error"] == "invalid_refresh_token"
    assert old.value.response["error"] == "token_expired"
    assert (second["token_type"], second["expires_in"]) == ("bot", 43_200)
    assert "users:read" in second["scope"].split(",")


def test_a_refresh_outlives_a_restart_of_the_sandbox() -> None:
    with Sandbox(slack(rotation=True)) as before:
        second = refresh(before, entry(before)["refresh_token"])
    with Sandbox(slack(rotation=True)) as after:
        client(after, second["access_token"]).auth_test()
        refresh(after, second["refresh_token"])
        with pytest.raises(SlackApiError) as spent:
            refresh(after, second["refresh_token"])

    assert spent.value.response["error"] == "invalid_refresh_token"


def test_an_expired_token_is_told_from_a_wrong_secret() -> None:
    with Sandbox(slack(rotation=True, token_expired=True)) as sandbox:
        with pytest.raises(SlackApiError) as expired:
            client(sandbox).auth_test()
        with pytest.raises(SlackApiError) as wrong:
            refresh(sandbox, entry(sandbox)["refresh_token"], secret="other")

        fresh = refresh(sandbox, entry(sandbox)["refresh_token"])
        client(sandbox, fresh["access_token"]).auth_test()

    assert expired.value.response["error"] == "token_expired"
    assert wrong.value.response["error"] == "bad_client_secret"


def test_a_token_expires_by_the_worlds_clock() -> None:
    now = [1_795_000_000.0]
    with Sandbox(slack(rotation=True, clock=lambda: now[0])) as sandbox:
        token = entry(sandbox)["access_token"]
        client(sandbox, token).auth_test()
        now[0] += 43_201
        with pytest.raises(SlackApiError) as expired:
            client(sandbox, token).auth_test()

    assert expired.value.response["error"] == "token_expired"


def test_the_twenty_first_call_of_a_minute_is_too_many() -> None:
    now = [1_795_000_000.0]
    with Sandbox(slack(limits=True, clock=lambda: now[0])) as sandbox:
        found = client(sandbox)
        for _ in range(20):
            found.users_list(limit=1)
        with pytest.raises(SlackApiError) as refusal:
            found.users_list(limit=1)
        found.conversations_list(limit=1)
        now[0] += 60
        found.users_list(limit=1)

    response = refusal.value.response
    assert (response.status_code, response["error"], response.headers["Retry-After"]) == (429, "ratelimited", "60")


def test_the_vendors_retry_handler_heals_a_429(sandbox: Sandbox) -> None:
    sandbox.faults.add("limit", route="users.list", retry_after="0")
    found = client(sandbox)
    found.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))

    assert found.users_list()["members"]
    assert sandbox.requests.count(route="users.list") == 2


def test_a_proxys_503_page_reads_as_one(sandbox: Sandbox) -> None:
    sandbox.faults.add("html", route="auth.test", status=503)
    with pytest.raises(SlackApiError) as refusal:
        client(sandbox).auth_test()

    assert refusal.value.response.status_code == 503
    assert "non-JSON" in refusal.value.response["error"]


def test_an_unknown_method_is_named_so(sandbox: Sandbox) -> None:
    with pytest.raises(SlackApiError) as refusal:
        client(sandbox).api_call("users.unheard")

    assert refusal.value.response["error"] == "unknown_method"
