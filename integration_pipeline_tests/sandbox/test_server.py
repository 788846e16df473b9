"""The sandbox as a server: what it lists, where it stands, how it starts and ends."""

import json
import re
import threading
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

import integration_pipeline.sandbox
from integration_pipeline.errors import UsageError
from integration_pipeline.registry import FOLDERS
from integration_pipeline.sandbox.requests import Request, Requests
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build, demo

README = Path(next(iter(integration_pipeline.sandbox.__path__))) / "README.md"


def test_the_list_of_routes_is_the_routes_that_are_registered() -> None:
    sandbox = Sandbox(demo())
    listed = re.findall(r"^\| (\w+) \| `([^`]+)` \| (.+) \|$", README.read_text(), re.MULTILINE)
    routes = [route for route in sandbox.app.routes if isinstance(route, Route) and "{rest:path}" not in route.path]
    registered = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    described = {
        (method, call.split(" ")[1]) for _, call, _ in sandbox.describe() for method in call.split(" ")[0].split("|")
    }

    assert [(system, call.replace("\\|", "|"), what) for system, call, what in listed] == sandbox.describe()
    assert registered - described == {
        ("GET", path) for path in ("/", "/tenants.csv", "/users.csv", "/connections.json", "/spreadsheets.json")
    }
    assert described <= registered


def test_its_front_page_lists_what_is_imitated_and_who_is_there() -> None:
    with Sandbox(demo()) as sandbox:
        text = httpx.get(sandbox.url).text

    assert all(call in text for _, call, _ in sandbox.describe())
    assert "sakura, minato, aozora, hikari" in text


def test_it_serves_the_files_that_the_import_commands_read() -> None:
    world = demo()
    with Sandbox(world) as sandbox, httpx.Client(base_url=sandbox.url) as client:
        assert client.get("/tenants.csv").text == world.tenants_csv()
        assert client.get("/users.csv").text == world.users_csv()
        assert len(client.get("/connections.json").json()) == 4 * len(FOLDERS)
        assert len(client.get("/spreadsheets.json").json()) == 4


def test_every_provider_has_its_variables() -> None:
    with Sandbox(build(users=1, channels=0, teams=0)) as sandbox:
        assert set(sandbox.environment) == {
            "INTEGRATION_PIPELINE_SLACK_URL",
            "INTEGRATION_PIPELINE_GRAPH_URL",
            "INTEGRATION_PIPELINE_MICROSOFT_LOGIN_URL",
            "INTEGRATION_PIPELINE_LINE_WORKS_URL",
            "INTEGRATION_PIPELINE_LINE_WORKS_AUTH_URL",
            "INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL",
            "INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL",
        }
        assert all(url.startswith("http://127.0.0.1:") for url in sandbox.environment.values())
        calls = [url for url in sandbox.environment.values() if not url.endswith("/")]
        assert [url.rpartition("/")[2] for url in calls] == ["token"]


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with Sandbox(build(users=1, channels=0, teams=0)) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"cannot listen on port {port}"):
            Sandbox(first.world, port=port).start()


def test_it_leaves_no_thread_and_can_be_stopped_twice() -> None:
    sandbox = Sandbox(build(users=1, channels=0, teams=0))
    sandbox.stop()
    sandbox.start()
    httpx.get(sandbox.url)
    sandbox.stop()
    sandbox.stop()

    assert "sandbox" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.url)


def test_requests_are_counted_by_tenant_system_and_route() -> None:
    with Sandbox(build(tenants=2, users=3, channels=1, teams=1)) as sandbox:
        entries = [entry for entry in json.loads(sandbox.world.connections_json()) if entry["system_type"] == "SLACK"]
        slack = sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"]
        for entry in (*entries, entries[0]):
            httpx.get(f"{slack}users.list?limit=2", headers={"authorization": f"Bearer {entry['access_token']}"})
        httpx.get(slack + "users.list")

    assert sandbox.requests.count() == 4
    assert sandbox.requests.count(tenant_id="tenant-0001", system="SLACK", route="users.list") == 2
    assert sandbox.requests.log[0].query == "limit=2"
    assert sandbox.requests.counts[None, "SLACK", "users.list"] == 1
    sandbox.requests.clear()
    assert sandbox.requests.count() == 0


def test_requests_may_come_while_they_are_counted() -> None:
    requests = Requests()

    def add(route: str) -> None:
        requests.add(Request("tenant-0001", "SLACK", route, "GET", "/", "", 200, is_part=False))

    class Meanwhile(str):
        """A name that is not compared before another request has come."""

        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            add(f"route {len(requests.counts)}")
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    for number in range(3):
        add(f"route {number}")
    assert requests.count(route=Meanwhile("route 0")) == 1
    assert len(requests.counts) > 3


def test_bodies_are_packed_for_those_who_take_them_so() -> None:
    with Sandbox(build(users=50, systems=["SLACK"])) as sandbox:
        token = json.loads(sandbox.world.connections_json())[0]["access_token"]
        url = sandbox.environment["INTEGRATION_PIPELINE_SLACK_URL"] + "users.list"
        headers = {"authorization": f"Bearer {token}"}
        packed, plain = (httpx.get(url, headers=headers | {"accept-encoding": how}) for how in ("gzip", "identity"))

    assert (packed.headers["content-encoding"], "content-encoding" in plain.headers) == ("gzip", False)
    assert packed.json() == plain.json()
