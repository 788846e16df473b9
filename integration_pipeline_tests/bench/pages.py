"""A Slack workspace as it is served: the sandbox's own answers, recorded before anybody asks, compressed as they come.

Every night has its directory. The second is the first's; on the third one user in a hundred has another name; on the
fourth, of those, another one in a hundred has left without a trace.
"""

import gzip
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import httpx

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build

SYSTEM = "SLACK"
LARGEST_PAGE = 1000
SLACK_URL = "INTEGRATION_PIPELINE_SLACK_URL"

_SINGLE = ("auth.test", "team.info", "conversations.list", "usergroups.list", "bots.info")
_ONE_IN = 100
_RENAMED, _LEAVING = 1, 50
_BOTS = 4

Recording = Mapping[tuple[str, str], bytes]
"""Method and cursor → the answer, gzipped."""


class Night(StrEnum):
    """The nights, in the order in which they come."""

    FIRST = "first"
    UNCHANGED = "unchanged"
    CHANGED = "1 % changed"
    LEFT = "1 % left"

    @property
    def directory(self) -> str:
        """What is served, in a word fit for a URL."""
        return {"1 % changed": "changed", "1 % left": "left"}.get(self.value, "first")


DIRECTORIES = tuple(dict.fromkeys(night.directory for night in Night))


def world_of(users: int, *, page_size: int = LARGEST_PAGE) -> World:
    """One tenant with a Slack workspace of so many users, its few bots and odd rows included."""
    return build(users=users - _BOTS, channels=5, systems=[SYSTEM], api_rate_limit=6000, page_size=page_size)


def recorded(users: int, page_size: int, directory: str) -> Recording:
    """All answers of a directory."""
    world = world_of(users, page_size=page_size)
    _pass_nights(world, directory)
    (entry,) = json.loads(world.connections_json())
    answers: dict[tuple[str, str], bytes] = {}
    headers = {"Authorization": f"Bearer {entry['access_token']}", "Accept-Encoding": "gzip"}
    with Sandbox(world) as sandbox, httpx.Client(base_url=sandbox.environment[SLACK_URL], headers=headers) as client:
        me = client.get("auth.test").json()
        for method in _SINGLE:
            answers[method, ""], _ = _asked(client, method, {"bot": me["bot_id"], "limit": "999"})
        cursor: str | None = ""
        while cursor is not None:
            packed, answer = _asked(client, "users.list", {"limit": str(LARGEST_PAGE), "cursor": cursor})
            answers["users.list", cursor] = packed
            cursor = answer["response_metadata"]["next_cursor"] or None
    return answers


def _asked(client: httpx.Client, method: str, params: Mapping[str, str]) -> tuple[bytes, Any]:
    response = client.get(method, params=params)
    answer = response.json()
    assert answer["ok"], answer
    return gzip.compress(response.content, compresslevel=1), answer


def _pass_nights(world: World, directory: str) -> None:
    """What happens between the first night and this one."""
    (tenant_id,) = world.tenants
    users = world.workspace(tenant_id, SYSTEM).users
    people = users.rows("member")
    if directory != "first":
        for person in people:
            if person.number % _ONE_IN == _RENAMED:
                users.change(person.id, last_name=f"{person.last_name}改")
    if directory == "left":
        for person in people:
            if person.number % _ONE_IN == _LEAVING:
                users.remove(person.id)
