"""Every fault does to a call what its name says, to the calls it describes, and no longer than it was told."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(build(tenants=2, users=30, channels=10, teams=4, rotation=True)) as running:
        yield running


def entry(sandbox: Sandbox, system: str, tenant: int = 1) -> dict[str, Any]:
    entries: list[dict[str, Any]] = json.loads(sandbox.world.connections_json())
    return next(e for e in entries if e["system_type"] == system and e["tenant_id"] == f"tenant-{tenant:04d}")


def slack(sandbox: Sandbox, method: str = "users.list", *, tenant: int = 1, **arguments: str) -> httpx.Response:
    return httpx.post(
        sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"] + method,
        headers={"authorization": f"Bearer {entry(sandbox, 'SLACK', tenant)['access_token']}"},
        data={"limit": "10", **arguments},
    )


def cursor(answer: httpx.Response) -> str:
    return str(answer.json()["response_metadata"]["next_cursor"])


def ids(answer: httpx.Response) -> list[str]:
    return [row["id"] for row in answer.json()["members"]]


def test_a_fault_meets_the_calls_it_describes_and_then_all_is_well(sandbox: Sandbox) -> None:
    sandbox.faults.add(
        "status", status=503, system="SLACK", route="users.list", tenant_id="tenant-0001", nth=2, times=2
    )
    mine = [slack(sandbox).status_code for _ in range(4)]
    others = [slack(sandbox, tenant=2).status_code, slack(sandbox, "team.info").status_code]

    assert (mine, others) == ([200, 503, 503, 200], [200, 200])


def test_a_fault_without_an_end_goes_on_until_all_are_cleared(sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=500, times=None)
    before = [slack(sandbox).status_code for _ in range(3)]
    sandbox.faults.clear()

    assert (before, slack(sandbox).status_code) == ([500] * 3, 200)


def test_a_status_may_bring_its_own_body_and_headers(sandbox: Sandbox) -> None:
    sandbox.faults.add("status", status=410, body="gone", headers={"Location": "/elsewhere"})
    answer = slack(sandbox)

    assert (answer.status_code, answer.text, answer.headers["location"]) == (410, "gone", "/elsewhere")


@pytest.mark.parametrize(
    ("system", "status", "body"),
    [
        ("SLACK", 200, {"ok": False, "error": "fatal_error"}),
        ("LINE_WORKS", 400, {"code": "fatal_error", "description": "The request failed."}),
    ],
)
def test_an_error_has_the_vendors_own_form(sandbox: Sandbox, system: str, status: int, body: dict[str, Any]) -> None:
    sandbox.faults.add("error", code="fatal_error")
    if system == "SLACK":
        answer = slack(sandbox)
    else:
        answer = httpx.get(sandbox.environment["INTEGRATION_PIPELINE_LINE_WORKS_URL"] + "users")

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("retry_after", ["3", "2.128", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_a_limit_says_when_to_come_back_in_any_form(sandbox: Sandbox, retry_after: str | None) -> None:
    sandbox.faults.add("limit", retry_after=retry_after)
    answer = slack(sandbox)

    assert (answer.status_code, answer.headers.get("retry-after")) == (429, retry_after)
    assert answer.json()["error"] == "ratelimited"


def test_html_comes_at_any_status(sandbox: Sandbox) -> None:
    sandbox.faults.add("html")
    sandbox.faults.add("html", status=503, nth=2)
    answers = [slack(sandbox), slack(sandbox)]

    assert [answer.status_code for answer in answers] == [200, 503]
    assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)


def test_truncated_json_arrives_whole_and_cannot_be_read(sandbox: Sandbox) -> None:
    sandbox.faults.add("truncate")
    answer = slack(sandbox)

    assert answer.status_code == 200
    assert answer.text.startswith('{"ok":true,"members":[')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(
    ("action", "error"),
    [("reset", httpx.ReadError), ("lose_reply", httpx.ReadError), ("reset_in_body", httpx.RemoteProtocolError)],
)
def test_a_connection_is_cut_and_the_next_one_is_not(
    sandbox: Sandbox, action: str, error: type[httpx.TransportError]
) -> None:
    sandbox.faults.add(action)
    with pytest.raises(error):
        slack(sandbox)

    assert slack(sandbox).status_code == 200
    assert sandbox.requests.count(route="users.list") == 2


def test_a_lost_reply_has_taken_effect(sandbox: Sandbox) -> None:
    given = entry(sandbox, "SLACK")
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    url = sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"] + "oauth.v2.access"
    credentials = (given["client_id"], given["client_secret"])
    sandbox.faults.add("lose_reply", route="oauth.v2.access")
    with pytest.raises(httpx.ReadError):
        httpx.post(url, data=form, auth=credentials)

    assert httpx.post(url, data=form, auth=credentials).json()["error"] == "invalid_refresh_token"


def test_a_reset_call_has_taken_no_effect(sandbox: Sandbox) -> None:
    sandbox.faults.add("reset", route="oauth.v2.access")
    serial = sandbox.world.workspace("tenant-0001", "SLACK").access.serial
    with pytest.raises(httpx.ReadError):
        slack(sandbox, "oauth.v2.access", grant_type="refresh_token")

    assert sandbox.world.workspace("tenant-0001", "SLACK").access.serial == serial


def in_the_background(call: Any) -> tuple[threading.Thread, list[Any]]:
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(call())
        except httpx.TransportError as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def test_a_call_hangs_until_it_is_released(sandbox: Sandbox) -> None:
    sandbox.faults.add("hang", route="users.list")
    thread, outcome = in_the_background(lambda: slack(sandbox))
    assert sandbox.wait_until_a_call_hangs()
    assert (slack(sandbox, "team.info").status_code, outcome) == (200, [])
    sandbox.release()
    thread.join(60)

    assert isinstance(outcome[0], httpx.ReadError)


def test_a_hanging_call_does_not_keep_the_sandbox_from_stopping(sandbox: Sandbox) -> None:
    sandbox.faults.add("hang")
    thread, outcome = in_the_background(lambda: slack(sandbox))
    assert sandbox.wait_until_a_call_hangs()
    sandbox.stop()
    thread.join(60)

    assert isinstance(outcome[0], httpx.TransportError)


def test_a_client_that_gives_up_is_forgotten(sandbox: Sandbox) -> None:
    sandbox.faults.add("hang")
    url = httpx.URL(sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"] + "auth.test")
    with socket.create_connection((url.host, url.port)) as client:
        client.sendall(f"GET {url.path} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
        assert sandbox.wait_until_a_call_hangs()

    assert slack(sandbox).status_code == 200


def test_a_drip_ends_whole_once_it_is_released(sandbox: Sandbox) -> None:
    sandbox.faults.add("drip")
    url = sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"] + "auth.test"
    with httpx.Client() as client, client.stream("GET", url) as answer:
        chunks = answer.iter_raw(1)
        start = next(chunks)
        sandbox.release()
        whole = start + b"".join(chunks)

    assert json.loads(whole) == {"ok": False, "error": "not_authed"}


def test_a_cursor_loop_leads_to_the_same_page_again(sandbox: Sandbox) -> None:
    sandbox.faults.add("cursor_loop", nth=2, times=None)
    first = slack(sandbox)
    second = slack(sandbox, cursor=cursor(first))
    third = slack(sandbox, cursor=cursor(second))

    assert cursor(first) == cursor(second) == cursor(third)
    assert ids(second) == ids(third)


def test_a_page_comes_twice(sandbox: Sandbox) -> None:
    sandbox.faults.add("duplicate_page", nth=2)
    first = slack(sandbox)
    second = slack(sandbox, cursor=cursor(first))
    third = slack(sandbox, cursor=cursor(second))

    assert ids(first) == ids(second)
    assert not set(ids(first)) & set(ids(third))


def test_a_row_comes_twice_on_its_page(sandbox: Sandbox) -> None:
    sandbox.faults.add("duplicate_row", row=2)
    once = ids(slack(sandbox))

    assert (len(once), once[-1]) == (11, once[2])


def test_an_answer_is_garbled_on_its_way_and_has_taken_effect(sandbox: Sandbox) -> None:
    sandbox.faults.add("garble", route="users.list")
    with pytest.raises(httpx.DecodingError):
        slack(sandbox)

    assert slack(sandbox).json()["ok"]


def test_an_empty_answer_and_a_last_one_have_no_cursor(sandbox: Sandbox) -> None:
    sandbox.faults.add("empty")
    sandbox.faults.add("last", nth=2)
    empty, last = slack(sandbox), slack(sandbox)

    assert (ids(empty), cursor(empty)) == ([], "")
    assert (len(ids(last)), cursor(last)) == (10, "")


@pytest.mark.parametrize("action", ["empty", "last"])
def test_the_other_dialects_end_early_too(sandbox: Sandbox, action: str) -> None:
    graph, works = entry(sandbox, "TEAMS"), entry(sandbox, "LINE_WORKS")
    login = sandbox.environment["INTEGRATION_PIPELINE_MICROSOFT_LOGIN_URL"]
    form = {"client_id": graph["client_id"], "client_secret": graph["client_secret"]}
    form |= {"scope": "https://graph.microsoft.com/.default", "grant_type": "client_credentials"}
    token = httpx.post(f"{login}{graph['options']['directory_id']}/oauth2/v2.0/token", data=form).json()["access_token"]
    workspace = sandbox.world.workspace("tenant-0001", "LINE_WORKS")
    works_token = "jp1" + workspace.access.current(sandbox.world.clock())[0]
    sandbox.faults.add(action, times=None)
    pages = [
        httpx.get(sandbox.environment[variable] + path, headers={"authorization": f"Bearer {bearer}"}).json()
        for variable, path, bearer in (
            ("INTEGRATION_PIPELINE_GRAPH_URL", "users?$top=10", token),
            ("INTEGRATION_PIPELINE_LINE_WORKS_URL", "users?count=10", works_token),
        )
    ]

    assert works["system_type"] == "LINE_WORKS"
    assert "@odata.nextLink" not in pages[0]
    assert pages[1]["responseMetaData"] == {"nextCursor": None}
    assert [len(pages[0]["value"]), len(pages[1]["users"])] == ([0, 0] if action == "empty" else [10, 10])


def test_one_row_gets_wrong_types(sandbox: Sandbox) -> None:
    sandbox.faults.add("wrong_types", row=1, fields={"id": 7, "profile": {"email": ["x"]}})
    rows = slack(sandbox).json()["members"]

    assert (rows[1]["id"], rows[1]["profile"]["email"]) == (7, ["x"])
    assert rows[1]["profile"]["real_name"]
    assert isinstance(rows[0]["id"], str)


def test_a_token_can_expire_in_the_middle_of_a_walk(sandbox: Sandbox) -> None:
    sandbox.faults.add("expire_token", route="users.list", nth=2)
    answers = [slack(sandbox).json() for _ in range(3)]

    assert [answer.get("error") for answer in answers] == [None, "token_expired", "token_expired"]


def test_the_memory_of_changes_can_be_lost(sandbox: Sandbox) -> None:
    tables = sandbox.world.workspace("tenant-0001", "SLACK").tables
    sandbox.faults.add("forget", route="users.list")
    slack(sandbox)

    assert [table.era for table in tables] == [1, 1, 1]


def test_credentials_can_be_revoked_in_the_middle_of_a_walk(sandbox: Sandbox) -> None:
    sandbox.faults.add("revoke", code="token_revoked", nth=2)
    answers = [slack(sandbox).json() for _ in range(3)]

    assert [answer.get("error") for answer in answers] == [None, "token_revoked", "token_revoked"]


def test_a_misspelt_fault_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValidationError):
        sandbox.faults.add("explode")
    with pytest.raises(ValidationError):
        sandbox.faults.add("hang", rout="users.list")
    with pytest.raises(ValidationError, match="there is no system DISCORD"):
        sandbox.faults.add("hang", system="DISCORD")
