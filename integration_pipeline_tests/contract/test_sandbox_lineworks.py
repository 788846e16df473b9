"""Requests as the vendor documents them judge the sandbox's LINE WORKS: there is no official client for Python.

The token request is the one of the vendor's sample ("bot-send-message"): a JWT with fractional times, a grant type that is
encoded once by hand and once more by the HTTP library.
"""

import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build

TENANT = "tenant-0001"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "user.read group.read orgunit.read bot.read"
NOW = 1_795_279_161.81
TLS = ssl.create_default_context()


def works(**settings: Any) -> World:
    given = {"users": 250, "teams": 30, "groups": 12, "clock": lambda: NOW, **settings}
    return build(systems=["LINE_WORKS"], **given)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(works()) as running:
        yield running


def entry(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sandbox.world.connections_json())[0]
    return found


def assertion(sandbox: Sandbox, *, key: str | None = None, **changes: Any) -> str:
    given = entry(sandbox)
    claims = {"iss": given["client_id"], "sub": given["options"]["service_account"], "iat": NOW, "exp": NOW + 3600}
    return jwt.encode(claims | changes, key or given["options"]["private_key"], algorithm="RS256")


def ask_for_token(sandbox: Sandbox, **changes: str) -> httpx.Response:
    given = entry(sandbox)
    form = {
        "assertion": changes.pop("assertion", None) or assertion(sandbox),
        "grant_type": GRANT,
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
        "scope": SCOPE,
    }
    return httpx.post(token_url(sandbox), data=form | changes, verify=TLS)


def token_url(sandbox: Sandbox) -> str:
    return sandbox.environment["INTEGRATION_PIPELINE_LINE_WORKS_AUTH_URL"] + "token"


def refresh(sandbox: Sandbox, refresh_token: str) -> httpx.Response:
    given = entry(sandbox)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_id": given["client_id"],
        "client_secret": given["client_secret"],
    }
    return httpx.post(token_url(sandbox), data=form, verify=TLS)


class Api:
    """Bearer calls, as in the vendor's sample."""

    def __init__(self, sandbox: Sandbox, access_token: str | None = None, **changes: str) -> None:
        self._url = sandbox.environment["INTEGRATION_PIPELINE_LINE_WORKS_URL"]
        given = access_token or ask_for_token(sandbox, **changes).json()["access_token"]
        self._headers = {"Authorization": f"Bearer {given}"}

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self._url + path, headers=self._headers, verify=TLS)

    def all(self, name: str, path: str) -> list[dict[str, Any]]:
        """Every row, page by page; the cursor is encoded, as the documentation asks."""
        rows: list[dict[str, Any]] = []
        cursor, separator = "", "&" if "?" in path else "?"
        while True:
            body = self.get(path + (f"{separator}cursor={quote(cursor, safe='')}" if cursor else "")).json()
            rows += body[name]
            cursor = body["responseMetaData"]["nextCursor"]
            if cursor is None:
                return rows


def test_the_samples_doubly_encoded_grant_and_fractional_times_are_served(sandbox: Sandbox) -> None:
    answer = ask_for_token(sandbox, grant_type=quote(GRANT, safe=""))
    body = answer.json()

    assert b"urn%253Aietf" in answer.request.content
    assert (body["token_type"], body["expires_in"]) == ("Bearer", "86400")
    assert body["scope"].split() == sorted(SCOPE.split())
    assert body["refresh_token"] != body["access_token"]
    assert {"+", "/", "="} <= set(body["access_token"])


def test_every_user_is_listed_by_hundreds_in_a_fixed_order(sandbox: Sandbox) -> None:
    rows = Api(sandbox).all("users", "users?count=100")

    assert [row["userId"] for row in rows] == [user.id for user in sandbox.world.workspace(TENANT, "LINE_WORKS").users]
    assert sandbox.requests.count(route="GET /users") == 3


def test_the_last_page_says_null(sandbox: Sandbox) -> None:
    first, only = Api(sandbox).get("users").json(), Api(sandbox).get("groups").json()

    assert (len(first["users"]), only["responseMetaData"]) == (100, {"nextCursor": None})


def test_a_cursor_that_was_not_encoded_is_refused(sandbox: Sandbox) -> None:
    api = Api(sandbox)
    cursor = api.get("users?count=10").json()["responseMetaData"]["nextCursor"]
    bare, encoded = (
        api.get(f"users?count=10&cursor={cursor}"),
        api.get(f"users?count=10&cursor={quote(cursor, safe='')}"),
    )

    assert {"+", "/", "="} <= set(cursor)
    assert (bare.status_code, bare.json()["code"]) == (400, "INVALID_PARAMETER")
    assert encoded.status_code == 200


@pytest.mark.parametrize("count", ["0", "101", "-1", "many"])
def test_a_count_out_of_range_is_refused(sandbox: Sandbox, count: str) -> None:
    answer = Api(sandbox).get(f"users?count={count}")

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_PARAMETER")


def test_users_come_in_every_state(sandbox: Sandbox) -> None:
    rows = Api(sandbox).all("users", "users")

    assert [row for row in rows if row["isDeleted"]]
    assert [row for row in rows if row["isSuspended"] and row["suspendedReason"] == "MASTER"]
    assert [row for row in rows if row["isPending"]]
    assert [row for row in rows if row["isAwaiting"] and row["activationDate"]]
    assert [row for row in rows if row["leaveOfAbsence"]["isLeaveOfAbsence"]]
    assert not [row for row in rows if "deletedTime" in row]
    assert {row["userName"]["phoneticLastName"] is None for row in rows} == {True, False}
    assert {row["userExternalKey"] is None for row in rows} == {True, False}


def test_one_user_is_found_by_id_address_or_external_key(sandbox: Sandbox) -> None:
    api = Api(sandbox)
    user = sandbox.world.workspace(TENANT, "LINE_WORKS").users.rows()[0]
    names = (user.id, user.email or "", f"externalKey:{user.external_key}")

    assert {api.get(f"users/{quote(name)}").json()["userId"] for name in names} == {user.id}


def test_what_is_unknown_is_denied_and_not_missing(sandbox: Sandbox) -> None:
    user, path = Api(sandbox).get("users/nobody"), Api(sandbox).get("nothing")

    assert (user.status_code, user.json()["code"]) == (403, "ACCESS_DENIED")
    assert (path.status_code, path.json()) == (404, {"code": "NOT_FOUND", "description": "Api not exists"})


def test_fields_that_the_administrator_hides_are_absent() -> None:
    with Sandbox(works(hidden_fields=["employeeNumber", "userExternalKey"])) as sandbox:
        row = Api(sandbox).get("users").json()["users"][0]

    assert not {"employeeNumber", "userExternalKey"} & row.keys()


def test_each_domain_is_asked_for_alone_and_a_foreign_one_is_refused() -> None:
    with Sandbox(works(domains=3)) as sandbox:
        api = Api(sandbox)
        domains = entry(sandbox)["options"]["domain_ids"]
        found = {domain: api.all("users", f"users?domainId={domain}") for domain in domains}
        default = api.all("users", "users")
        foreign, wrong = api.get("users?domainId=1"), api.get("groups?domainId=x")

    assert sum(len(rows) for rows in found.values()) == 250
    assert all(row["domainId"] == domain for domain, rows in found.items() for row in rows)
    assert [row["userId"] for row in default] == [row["userId"] for row in found[domains[0]]]
    assert (foreign.status_code, foreign.json()["code"]) == (403, "ACCESS_DENIED")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_PARAMETER")


def test_groups_carry_their_members_and_units_form_a_tree(sandbox: Sandbox) -> None:
    api = Api(sandbox)
    groups, units = api.all("groups", "groups"), api.all("orgUnits", "orgunits")
    group = groups[0]
    ids = {unit["orgUnitId"] for unit in units}

    assert [member["id"] for member in api.all("members", f"groups/{group['groupId']}/members")] == [
        member["id"] for member in group["members"]
    ]
    assert (len(groups), len(units)) == (30, 12)
    assert {unit["parentOrgUnitId"] for unit in units} - ids == {None}
    assert {unit["displayLevel"] for unit in units} == {1, 2}


def test_bots_come_by_fifty_and_tell_their_callback_one_by_one() -> None:
    with Sandbox(works(apps=60)) as sandbox:
        api = Api(sandbox)
        first = api.get("bots").json()["bots"]
        rows = api.all("bots", "bots")
        details = [api.get(f"bots/{row['botId']}").json() for row in rows[:2]]
        domains = api.all("domains", f"bots/{rows[0]['botId']}/domains")

    assert (len(first), len(rows)) == (50, 60)
    assert "callbackUrl" not in rows[0]
    assert [row["enableCallback"] for row in details] == [True, False]
    assert details[0]["callbackUrl"].startswith("https://")
    assert domains[0]["domainId"] in details[0]["allowDomains"]


def test_a_scope_that_was_not_granted_is_forbidden() -> None:
    with Sandbox(works(missing_scopes=["group.read"])) as sandbox:
        api = Api(sandbox)
        answer = api.get("groups")

        assert api.get("users").status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_a_scope_that_was_not_asked_for_is_forbidden(sandbox: Sandbox) -> None:
    assert Api(sandbox, scope="user.read").get("bots").status_code == 403


@pytest.mark.parametrize("token", ["nonsense", "jp1AAAA", "jp1++++////"])
def test_a_made_up_token_is_malformed(sandbox: Sandbox, token: str) -> None:
    answer = Api(sandbox, token).get("users")

    assert answer.status_code == 401
    assert answer.json() == {"code": "UNAUTHORIZED", "description": "Malformed authentication token"}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"sub": "other"},
        {"exp": NOW + 3700},
        {"exp": NOW - 1, "iat": NOW - 100},
        {"iat": "now"},
        {"exp": None},
    ],
)
def test_an_assertion_is_checked_to_the_letter(sandbox: Sandbox, changes: dict[str, Any]) -> None:
    answer = ask_for_token(sandbox, assertion=assertion(sandbox, **changes))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_another_key_signs_in_vain(sandbox: Sandbox) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    answer = ask_for_token(sandbox, assertion=assertion(sandbox, key=key.decode()))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "other"}, 401, "invalid_client"),
        ({"client_id": "other"}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": " "}, 400, "invalid_request"),
    ],
)
def test_the_token_host_refuses_as_oauth_does(
    sandbox: Sandbox, changes: dict[str, str], status: int, error: str
) -> None:
    answer = ask_for_token(sandbox, **changes)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_form_that_was_not_encoded_is_refused_in_the_hosts_other_way(sandbox: Sandbox) -> None:
    given = entry(sandbox)
    body = f"grant_type=refresh_token&client_id={given['client_id']}&client_secret={given['client_secret']}"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = httpx.post(token_url(sandbox), content=body, headers=headers, verify=TLS)

    assert "+" in given["client_secret"]
    assert answer.json() == {"returnCode": "99", "returnMessage": "UnexpectedError"}


def test_without_rotation_a_refresh_brings_no_refresh_token_and_may_be_repeated(sandbox: Sandbox) -> None:
    first = ask_for_token(sandbox).json()
    answers = [refresh(sandbox, first["refresh_token"]).json() for _ in range(2)]

    assert ["refresh_token" in answer for answer in answers] == [False, False]
    assert Api(sandbox, answers[1]["access_token"]).get("users").status_code == 200


def test_with_rotation_a_refresh_token_works_once() -> None:
    with Sandbox(works(rotation=True)) as sandbox:
        first = ask_for_token(sandbox).json()
        second = refresh(sandbox, first["refresh_token"]).json()
        spent = refresh(sandbox, first["refresh_token"])
        third = refresh(sandbox, second["refresh_token"])

    assert (spent.status_code, spent.json()["error"]) == (400, "invalid_grant")
    assert third.json()["refresh_token"] != second["refresh_token"]


def test_a_token_expires_by_the_worlds_clock() -> None:
    now = [NOW]
    with Sandbox(works(clock=lambda: now[0], token_life_seconds=3600)) as sandbox:
        api = Api(sandbox)
        before = api.get("bots")
        now[0] += 3601
        after = api.get("bots")

    assert (before.status_code, after.status_code) == (200, 401)


def test_the_241st_call_of_a_minute_is_too_many_and_says_when_to_come_back() -> None:
    now = [NOW]
    with Sandbox(works(limits=True, clock=lambda: now[0])) as sandbox:
        api = Api(sandbox)
        first = api.get("users?count=1")
        # The others are counted where they would have been sent.
        route = next(route for route in sandbox.world.vendors[2].mounts[0].routes if route.name == "GET /users")
        for _ in range(239):
            sandbox.world.workspace(TENANT, "LINE_WORKS").count(route.limits[0], {}, now[0])
        now[0] += 20
        refused, other = api.get("users?count=1"), api.get("groups")
        now[0] += 40
        again = api.get("users?count=1")

    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("240", "239")
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert (refused.headers["ratelimit-remaining"], refused.headers["ratelimit-reset"]) == ("0", "40")
    assert "retry-after" not in refused.headers
    assert (other.status_code, again.status_code) == (200, 200)


def test_a_redirect_leads_to_another_instance_that_wants_the_token_too() -> None:
    with Sandbox(works(redirects=True)) as sandbox:
        api = Api(sandbox)
        answer = api.get("users?count=1")
        there = answer.headers["location"]
        bare = httpx.get(there, verify=TLS)
        full = httpx.get(there, headers=api._headers, verify=TLS)

    assert answer.status_code == 307
    assert there.endswith("/users?count=1")
    assert (bare.status_code, full.status_code) == (401, 200)
