"""msgraph-sdk judges the sandbox's Graph, and plain requests its login (the vendor's login clients refuse http)."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any, TypeVar

import httpx
import pytest

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build

# The SDK's own modules warn of each other while they are imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:(msgraph|kiota_).*")

T = TypeVar("T")

TENANT = "tenant-0001"
TLS = ssl.create_default_context()
"""Made once: httpx makes one for every request otherwise, and that takes longer than the request."""
GROUPS_OF_TEAMS = "resourceProvisioningOptions/Any(x:x eq 'Team')"


def graph(**settings: Any) -> World:
    return build(systems=["TEAMS"], **{"users": 120, "teams": 24, "groups": 6, **settings})


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(graph()) as running:
        yield running


def entry(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sandbox.world.connections_json())[0]
    return found


def ask_for_token(sandbox: Sandbox, *, directory: str | None = None, **changes: str) -> httpx.Response:
    given = entry(sandbox)
    form = {
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "scope": "https://graph.microsoft.com/.default",
        "grant_type": "client_credentials",
    }
    login = sandbox.environment["INTEGRATION_PIPELINE_MICROSOFT_LOGIN_URL"]
    path = f"{directory or given['options']['directory_id']}/oauth2/v2.0/token"
    return httpx.post(login + path, data=form | changes, verify=TLS)


def token(sandbox: Sandbox) -> str:
    return str(ask_for_token(sandbox).json()["access_token"])


def get(sandbox: Sandbox, path: str, **headers: str) -> httpx.Response:
    """A request of our own, for what the SDK hides."""
    url = path if path.startswith("http") else sandbox.environment["INTEGRATION_PIPELINE_GRAPH_URL"] + path
    return httpx.get(url, headers={"authorization": f"Bearer {token(sandbox)}", **headers}, verify=TLS)


def ask(sandbox: Sandbox, question: Callable[[Any], Awaitable[T]], *, bearer: str | None = None) -> T:
    """Put a question to the vendor's own client, pointed at the sandbox."""
    msgraph, core = import_module("msgraph"), import_module("msgraph_core")
    access_token = token(sandbox) if bearer is None else bearer

    class Bearer:
        async def authenticate_request(self, request: Any, _context: Any = None) -> None:
            request.headers.add("Authorization", f"Bearer {access_token}")

    async def run() -> T:
        # The SDK's own transport does not close the one below it.
        transport = httpx.AsyncHTTPTransport(verify=TLS)
        plain = httpx.AsyncClient(transport=transport)
        http = core.GraphClientFactory.create_with_default_middleware(client=plain)
        adapter = msgraph.GraphRequestAdapter(Bearer(), client=http)
        adapter.base_url = sandbox.environment["INTEGRATION_PIPELINE_GRAPH_URL"].rstrip("/")
        try:
            return await question(msgraph.GraphServiceClient(request_adapter=adapter))
        finally:
            await transport.aclose()

    return asyncio.run(run())


def refusals() -> Any:
    """What the SDK raises."""
    return import_module("msgraph.generated.models.o_data_errors.o_data_error").ODataError


async def all_users(client: Any, **parameters: Any) -> list[Any]:
    builder = import_module("msgraph.generated.users.users_request_builder").UsersRequestBuilder
    configuration = import_module("kiota_abstractions.base_request_configuration").RequestConfiguration
    asked = configuration(query_parameters=builder.UsersRequestBuilderGetQueryParameters(**parameters))
    page = await client.users.get(request_configuration=asked)
    found = list(page.value)
    while page.odata_next_link:
        page = await client.users.with_url(page.odata_next_link).get()
        found.extend(page.value)
    return found


def test_the_sdk_walks_all_users_over_absolute_links(sandbox: Sandbox) -> None:
    rows = ask(
        sandbox, lambda client: all_users(client, top=50, select=["id", "displayName", "accountEnabled", "userType"])
    )
    there = sandbox.world.workspace(TENANT, "TEAMS").users

    assert [row.id for row in rows] == [user.id for user in there]
    assert {row.account_enabled for row in rows} == {True, False}
    assert {row.user_type for row in rows} >= {"Member", "Guest"}
    assert sandbox.requests.count(route="GET /users") == 3


def test_what_was_not_selected_is_absent(sandbox: Sandbox) -> None:
    default = get(sandbox, "users").json()["value"][0]
    chosen = get(sandbox, "users?$select=mail,accountEnabled").json()["value"][0]

    assert len(default) == 11
    assert "accountEnabled" not in default
    assert set(chosen) == {"id", "mail", "accountEnabled"}


def test_people_without_mail_and_with_another_upn_are_there(sandbox: Sandbox) -> None:
    rows = get(sandbox, "users?$select=id,mail,userPrincipalName,userType,externalUserState&$top=999").json()["value"]

    assert [row for row in rows if row["mail"] is None]
    assert [row for row in rows if row["mail"] and row["mail"] != row["userPrincipalName"]]
    assert [
        row for row in rows if "#EXT#" in row["userPrincipalName"] and row["externalUserState"] == "PendingAcceptance"
    ]


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("users?$top=1000", 400, "Invalid page size specified: '1000'. Must be between 1 and 999 inclusive."),
        ("users?$select=id,skills", 501, "collection"),
        ("users?$select=id,shoeSize", 400, "shoeSize"),
        ("groups?$filter=startswith(displayName,'a')", 400, "filter"),
        ("users?$skiptoken=nonsense", 400, "skip token"),
        ("users/nobody@tenant-0001.example", 404, "does not exist"),
        ("nothing", 400, "segment 'nothing'"),
    ],
)
def test_what_graph_refuses_is_refused(sandbox: Sandbox, path: str, status: int, text: str) -> None:
    answer = get(sandbox, path)

    assert answer.status_code == status
    assert text in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "condition",
    [
        GROUPS_OF_TEAMS,
        "resourceProvisioningOptions/any(c: c eq 'Team')",
        "resourceProvisioningOptions/Any(x:x%20eq%20'Team')",
    ],
)
def test_groups_are_filtered_by_the_flag_in_any_spelling(sandbox: Sandbox, condition: str) -> None:
    rows = get(sandbox, f"groups?$filter={condition}&$select=id,resourceProvisioningOptions&$top=999").json()["value"]

    assert len(rows) == 24 + 3
    assert {tuple(row["resourceProvisioningOptions"]) for row in rows} == {("Team",)}
    assert len(get(sandbox, "groups?$top=999").json()["value"]) == 24 + 6


def test_the_sdk_reads_a_teams_channels_and_an_absent_team(sandbox: Sandbox) -> None:
    teams = sandbox.world.workspace(TENANT, "TEAMS").teams
    team, flagged = teams.rows("TEAM")[2], teams.rows("FLAGGED_GROUP")[0]

    async def question(client: Any) -> tuple[Any, Any, Any]:
        found = await client.teams.by_team_id(team.id).get()
        channels = await client.teams.by_team_id(team.id).channels.get()
        with pytest.raises(refusals()) as refusal:
            await client.teams.by_team_id(flagged.id).channels.get()
        return found, channels, refusal.value

    found, channels, refusal = ask(sandbox, question)

    assert (found.display_name, found.is_archived) == (team.name, False)
    assert [str(channel.membership_type) for channel in channels.value][2].endswith("UnknownFutureValue")
    assert (refusal.response_status_code, refusal.error.code) == (404, "NotFound")
    assert refusal.error.message == f"No team found with Group Id {flagged.id}"


def test_shared_channels_show_to_those_who_ask(sandbox: Sandbox) -> None:
    team, neighbour = sandbox.world.workspace(TENANT, "TEAMS").teams.rows("TEAM")[2:4]

    def kinds(path: str, **headers: str) -> list[str]:
        return [row["membershipType"] for row in get(sandbox, path, **headers).json()["value"]]

    prefer = {"prefer": "include-unknown-enum-members"}
    assert kinds(f"teams/{team.id}/channels") == ["standard", "standard", "unknownFutureValue"]
    assert kinds(f"teams/{team.id}/channels?$select=id,membershipType", **prefer) == ["standard", "standard", "shared"]
    assert kinds(f"teams/{neighbour.id}/incomingChannels", **prefer) == ["shared"]
    assert "shared" in kinds(f"teams/{neighbour.id}/allChannels", **prefer)


def test_an_archived_team_hides_its_private_channels(sandbox: Sandbox) -> None:
    teams = sandbox.world.workspace(TENANT, "TEAMS").teams
    team = next(row for row in teams.rows("TEAM") if row.is_archived)
    hosted = [row for row in teams.rows("CHANNEL") if row.parent_id == team.id]
    shown = get(sandbox, f"teams/{team.id}/channels").json()["value"]

    assert get(sandbox, f"teams/{team.id}").json()["isArchived"] is True
    assert "isArchived" not in get(sandbox, "groups").json()["value"][0]
    assert [row.visibility for row in hosted] == ["standard", "private", "standard"]
    assert [row["membershipType"] for row in shown] == ["standard", "standard"]


def test_the_list_of_teams_has_three_properties(sandbox: Sandbox) -> None:
    assert set(get(sandbox, "teams").json()["value"][0]) == {"id", "displayName", "description"}


def test_installed_apps_tell_more_when_expanded(sandbox: Sandbox) -> None:
    team = sandbox.world.workspace(TENANT, "TEAMS").teams.rows("TEAM")[0]
    bare = get(sandbox, f"teams/{team.id}/installedApps").json()["value"]
    full = get(sandbox, f"teams/{team.id}/installedApps?$expand=teamsApp($select=id),teamsAppDefinition").json()[
        "value"
    ]

    assert [set(row) for row in bare] == [{"id"}] * 3
    assert full[0]["teamsAppDefinition"]["displayName"]
    assert full[0]["teamsApp"]["id"] == full[0]["teamsAppDefinition"]["teamsAppId"] != full[0]["id"]


def test_the_sdk_reads_organization_and_subscriptions(sandbox: Sandbox) -> None:
    async def question(client: Any) -> tuple[Any, Any]:
        return await client.organization.get(), await client.subscriptions.get()

    organization, subscriptions = ask(sandbox, question)

    assert organization.value[0].display_name == "第1株式会社"
    assert organization.value[0].verified_domains[0].name == "tenant-0001.example"
    assert subscriptions.value[0].resource == "users"


def batch(sandbox: Sandbox, *urls: str, **headers: str) -> httpx.Response:
    parts = [{"id": str(n), "method": "GET", "url": url, "headers": headers} for n, url in enumerate(urls)]
    return httpx.post(
        sandbox.environment["INTEGRATION_PIPELINE_GRAPH_URL"] + "$batch",
        headers={"authorization": f"Bearer {token(sandbox)}"},
        json={"requests": parts},
        verify=TLS,
    )


def test_a_batch_answers_each_part_alone_and_in_its_own_order(sandbox: Sandbox) -> None:
    teams = sandbox.world.workspace(TENANT, "TEAMS").teams
    good, flagged = teams.rows("TEAM")[2], teams.rows("FLAGGED_GROUP")[0]
    sandbox.faults.add("limit", route="GET /organization", retry_after="2.128")
    answer = batch(
        sandbox,
        f"/teams/{good.id}/channels?$select=id,membershipType",
        f"/teams/{flagged.id}/channels",
        "/organization",
        Prefer="include-unknown-enum-members",
    )
    parts = {part["id"]: part for part in answer.json()["responses"]}

    assert [part["id"] for part in answer.json()["responses"]] == ["2", "1", "0"]
    assert [parts[key]["status"] for key in "012"] == [200, 404, 429]
    assert parts["0"]["body"]["value"][2]["membershipType"] == "shared"
    assert parts["2"]["headers"]["Retry-After"] == "2.128"
    assert parts["2"]["body"]["error"]["code"] == "TooManyRequests"
    assert (sandbox.requests.count(), sum(sandbox.requests.parts.values())) == (2, 3)


def test_a_batch_of_more_than_twenty_is_refused(sandbox: Sandbox) -> None:
    answer = batch(sandbox, *["/organization"] * 21)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadRequest")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"requests": [{"id": "1"}]}', b'{"requests": [1]}'])
def test_a_malformed_batch_is_refused(sandbox: Sandbox, body: bytes) -> None:
    url = sandbox.environment["INTEGRATION_PIPELINE_GRAPH_URL"] + "$batch"
    answer = httpx.post(url, headers={"authorization": f"Bearer {token(sandbox)}"}, content=body, verify=TLS)

    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "Invalid batch payload format.")


def test_one_user_is_found_by_id_or_upn(sandbox: Sandbox) -> None:
    user = sandbox.world.workspace(TENANT, "TEAMS").users.rows()[1]

    assert {get(sandbox, f"users/{name}?$select=id").json()["id"] for name in (user.id, user.login)} == {user.id}


def test_parts_are_limited_one_by_one() -> None:
    with Sandbox(graph(limits=True, clock=lambda: 1_795_000_000.0)) as sandbox:
        team = sandbox.world.workspace(TENANT, "TEAMS").teams.rows("TEAM")[0]
        answer = batch(sandbox, *[f"/teams/{team.id}"] * 5)

    statuses = sorted(part["status"] for part in answer.json()["responses"])
    retry_after = next(part["headers"]["Retry-After"] for part in answer.json()["responses"] if part["status"] == 429)
    assert statuses == [200, 200, 200, 200, 429]
    assert float(retry_after) == 1.0
    assert "." in retry_after


def test_delta_repeats_what_changed_and_marks_what_went(sandbox: Sandbox) -> None:
    users = sandbox.world.workspace(TENANT, "TEAMS").users
    first = get(sandbox, "users/delta?$deltatoken=latest&$select=id,displayName,accountEnabled").json()
    gone, disabled = users.rows()[3], users.rows()[4]
    users.remove(gone.id, "changed")
    users.change(disabled.id, state="disabled")
    added = users.add(email="new@tenant-0001.example")
    changes = get(sandbox, first["@odata.deltaLink"]).json()
    again = get(sandbox, changes["@odata.deltaLink"]).json()

    assert first["value"] == []
    assert [row["id"] for row in changes["value"]] == [gone.id, disabled.id, added.id]
    assert changes["value"][0]["@removed"] == {"reason": "changed"}
    assert changes["value"][1]["accountEnabled"] is False
    assert again["value"] == []


def test_delta_leaves_out_what_was_never_set_and_says_null_of_what_is_no_more(sandbox: Sandbox) -> None:
    users = sandbox.world.workspace(TENANT, "TEAMS").users
    link = get(sandbox, "users/delta?$deltatoken=latest&$select=id,mail,jobTitle").json()["@odata.deltaLink"]
    changed = next(user for user in users if user.email)
    users.change(changed.id, email=None)

    assert get(sandbox, link).json()["value"] == [{"id": changed.id, "mail": None}]


def test_the_sdk_walks_a_first_delta_round_and_the_next() -> None:
    with Sandbox(graph(users=450)) as sandbox:
        users = sandbox.world.workspace(TENANT, "TEAMS").users

        async def first_round(client: Any) -> tuple[int, str]:
            page = await client.users.delta.get()
            count = len(page.value)
            while page.odata_next_link:
                page = await client.users.delta.with_url(page.odata_next_link).get()
                count += len(page.value)
            return count, page.odata_delta_link

        async def next_round(client: Any) -> Any:
            return (await client.users.delta.with_url(link).get()).value

        count, link = ask(sandbox, first_round)
        removed = users.remove(users.rows()[7].id)
        changes = ask(sandbox, next_round)

        assert count == 450
        assert [(row.id, row.additional_data["@removed"]) for row in changes] == [(removed.id, {"reason": "deleted"})]


@pytest.mark.parametrize("spelling", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"])
def test_delta_may_be_spelt_in_four_ways(sandbox: Sandbox, spelling: str) -> None:
    rows = get(sandbox, f"groups/{spelling}?$select=id,displayName,resourceProvisioningOptions").json()

    assert len(rows["value"]) == 30
    assert "$deltatoken=" in rows["@odata.deltaLink"]


def test_a_changed_channel_is_no_changed_group(sandbox: Sandbox) -> None:
    teams = sandbox.world.workspace(TENANT, "TEAMS").teams
    link = get(sandbox, "groups/delta?$deltatoken=latest").json()["@odata.deltaLink"]
    teams.change(teams.rows("CHANNEL")[0].id, name="改名")
    teams.change(teams.rows("PLAIN_GROUP")[0].id, name="改名")

    assert [row["displayName"] for row in get(sandbox, link).json()["value"]] == ["改名"]


def test_a_delta_link_is_forgotten_after_a_week_or_earlier() -> None:
    now = [1_795_000_000.0]
    with Sandbox(graph(clock=lambda: now[0])) as sandbox:
        link = get(sandbox, "users/delta?$deltatoken=latest").json()["@odata.deltaLink"]
        now[0] += 7 * 86_400 + 1
        late = get(sandbox, link)
        link = get(sandbox, "users/delta?$deltatoken=latest").json()["@odata.deltaLink"]
        sandbox.world.workspace(TENANT, "TEAMS").users.forget()
        lost = get(sandbox, link)

    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in (late, lost)] == [
        (400, "syncStateNotFound")
    ] * 2


def test_a_delta_link_is_known_to_the_same_world_started_again_and_to_no_other() -> None:
    def asked(world: World, link: str) -> httpx.Response:
        with Sandbox(world) as sandbox:
            return get(sandbox, link.partition("/v1.0/")[2])

    with Sandbox(graph()) as before:
        link = get(before, "users/delta?$deltatoken=latest").json()["@odata.deltaLink"]
        users = before.world.workspace(TENANT, "TEAMS").users
        users.remove(users.rows()[7].id)
        later = get(before, link).json()["@odata.deltaLink"]
    same, fewer, forgotten = asked(graph(), link), asked(graph(users=119), link), asked(graph(), later)

    assert same.json()["value"] == []
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in (fewer, forgotten)] == [
        (400, "syncStateNotFound")
    ] * 2


def test_delta_takes_no_top(sandbox: Sandbox) -> None:
    assert get(sandbox, "users/delta?$top=10").status_code == 400


def test_a_token_is_for_an_hour_and_has_no_refresh_token(sandbox: Sandbox) -> None:
    body = ask_for_token(sandbox).json()

    assert set(body) == {"token_type", "expires_in", "ext_expires_in", "access_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3599)


@pytest.mark.parametrize(
    ("changes", "status", "error", "code"),
    [
        ({"client_secret": "other"}, 401, "invalid_client", 7000215),
        ({"client_id": "other"}, 400, "unauthorized_client", 700016),
        ({"directory": "common"}, 400, "invalid_request", 90002),
        ({"scope": "User.Read.All"}, 400, "invalid_scope", 70011),
        ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_login_refuses_with_its_codes(
    sandbox: Sandbox, changes: dict[str, str], status: int, error: str, code: int
) -> None:
    answer = ask_for_token(sandbox, **changes)
    body = answer.json()

    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [code])
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} <= body.keys()


def test_an_expired_secret_is_a_problem_of_the_world() -> None:
    with Sandbox(graph(problem="7000222")) as sandbox:
        answer = ask_for_token(sandbox)

    assert (answer.status_code, answer.json()["error_codes"]) == (401, [7000222])


def test_without_consent_the_token_comes_and_graph_refuses() -> None:
    with Sandbox(graph(missing_scopes=["User.Read.All", "Channel.ReadBasic.All"])) as sandbox:
        team = sandbox.world.workspace(TENANT, "TEAMS").teams.rows("TEAM")[0]

        async def question(client: Any) -> tuple[Any, Any]:
            with pytest.raises(refusals()) as users:
                await client.users.get()
            with pytest.raises(refusals()) as channels:
                await client.teams.by_team_id(team.id).channels.get()
            return users.value, channels.value

        users, channels = ask(sandbox, question)

    assert (users.response_status_code, users.error.code) == (403, "Authorization_RequestDenied")
    assert (channels.response_status_code, channels.error.code) == (403, "Forbidden")
    assert "Channel.ReadBasic.All" in channels.error.message


@pytest.mark.parametrize("bearer", ["made-up", "eyJ0eXAiOiJKV1Qi.00ff"])
def test_a_made_up_token_is_401(sandbox: Sandbox, bearer: str) -> None:
    async def question(client: Any) -> Any:
        with pytest.raises(refusals()) as refusal:
            await client.users.get()
        return refusal.value

    refusal = ask(sandbox, question, bearer=bearer)

    assert (refusal.response_status_code, refusal.error.code) == (401, "InvalidAuthenticationToken")


def test_a_token_expires_by_the_worlds_clock() -> None:
    now = [1_795_000_000.0]
    with Sandbox(graph(clock=lambda: now[0])) as sandbox:
        headers = {"authorization": f"Bearer {token(sandbox)}"}
        url = sandbox.environment["INTEGRATION_PIPELINE_GRAPH_URL"] + "organization"
        before = httpx.get(url, headers=headers, verify=TLS)
        now[0] += 3600
        after = httpx.get(url, headers=headers, verify=TLS)

    assert (before.status_code, after.status_code) == (200, 401)
    assert after.json()["error"]["message"].startswith("Lifetime validation failed")


def test_an_empty_page_may_have_a_next_link() -> None:
    with Sandbox(graph(empty_pages=True, page_size=50)) as sandbox:
        rows = ask(sandbox, lambda client: all_users(client, top=999, select=["id"]))

        assert len(rows) == 120
        assert sandbox.requests.count(route="GET /users") == 5
