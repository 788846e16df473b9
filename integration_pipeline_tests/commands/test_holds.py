"""``holds`` on the command line: a person's decision about what the guard kept back."""

import contextlib
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest

from integration_pipeline.sandbox.world import World
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests.builders import SLACK
from integration_pipeline_tests.commands.conftest import Command, Result

TENANT = "tenant-0001"
NOBODY = "019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"


def sync(online: Command) -> Result:
    return online("sync", "--tenant-id", TENANT, "--system-type", "SLACK", "--sync-type", "users")


def lose_everybody_but_one(world: World) -> list[Any]:
    users = world.workspace(TENANT, "SLACK").users
    lost = [user for user in users if user.kind == "member" and user.state == "active"][1:]
    for user in lost:
        users.remove(user.id)
    return lost


@pytest.fixture
def lost(online: Command, world: World) -> list[Any]:
    """People of a Slack workspace whose removal waits."""
    assert sync(online).code == 0
    lost = lose_everybody_but_one(world)
    assert len(lost) > 10
    assert sync(online).code == 1
    return lost


@pytest.fixture
def hold_id(online: Command, lost: list[Any]) -> str:
    (hold,) = online("holds", "list", "--output", "json").rows
    assert hold["absent_count"] == len(lost)
    return str(hold["hold_id"])


def states(online: Command) -> Mapping[str, int]:
    rows = online("mappings", "list", "--tenant-id", TENANT, "--system-type", "SLACK", "--output", "json").rows
    return {row["external_user_id"]: row["sync_status"] == "INACTIVE" for row in rows}


def test_what_waits_is_listed_and_shown_with_everybody_it_holds(online: Command, lost: list[Any], hold_id: str) -> None:
    listed = online("holds", "list").out
    assert all(word in listed for word in (hold_id, "WAITING", TENANT, "SLACK", "USERS", "would be deactivated"))
    shown = online("holds", "show", hold_id)
    assert shown.code == 0
    assert all(user.id in shown.out for user in lost)
    assert f"integration-pipeline holds approve {hold_id}" in shown.out
    (row,) = online("holds", "show", hold_id, "--output", "json").rows
    assert {(held["key"], held["reason"]) for held in row["rows"]} == {(user.id, "absent") for user in lost}


def test_moments_are_listed_with_their_offset_from_utc(
    online: Command, hold_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        said = [
            online(*argv).out
            for argv in (
                ("holds", "list"),
                ("holds", "show", hold_id),
                ("history", "list"),
                ("notices", "list"),
                ("connections", "list"),
            )
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert all(re.search(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+09:00(?!\d)", text) for text in said)


def test_the_sync_and_the_report_say_what_to_type(online: Command, hold_id: str) -> None:
    assert f"integration-pipeline holds show {hold_id}" in sync(online).out
    assert f"integration-pipeline holds show {hold_id}" in online("report").out


def test_approving_deactivates_and_the_next_sync_is_well(online: Command, lost: list[Any], hold_id: str) -> None:
    done = online("holds", "approve", hold_id)
    assert done.code == 0
    assert f"{TENANT} SLACK USERS: {len(lost)} deactivated" in done.out
    assert all(states(online)[user.id] for user in lost)
    newest = online("history", "list", "--limit", "1", "--output", "json").rows[0]
    assert (newest["status"], newest["records_deleted"]) == ("SUCCESS", len(lost))
    assert sync(online).code == 0
    assert online("holds", "list", "--output", "json").rows[0]["status"] == "APPROVED"


def test_the_report_asks_for_no_decision_that_was_made(online: Command, hold_id: str) -> None:
    assert f"{TENANT} SLACK: Removals are held" in online("report").out
    assert online("holds", "approve", hold_id).code == 0
    assert f"{TENANT} SLACK: Settled: Removals are held" in online("report").out


def test_a_decided_hold_is_refused_in_one_line(online: Command, hold_id: str) -> None:
    assert online("holds", "approve", hold_id).code == 0
    for verb in ("approve", "reject"):
        assert "does not wait any more: it was approved" in online("holds", verb, hold_id).one_line


def test_a_rejected_hold_deactivates_nobody_and_says_that_it_comes_back(online: Command, hold_id: str) -> None:
    rejected = online("holds", "reject", hold_id)
    assert rejected.code == 0
    assert "nothing was deactivated" in rejected.out
    assert "holds it again" in rejected.err
    assert not any(states(online).values())
    assert sync(online).code == 1
    assert [row["status"] for row in online("holds", "list", "--output", "json").rows] == ["WAITING", "REJECTED"]


def test_a_superseded_hold_is_refused_and_shows_nobody(
    online: Command, world: World, lost: list[Any], hold_id: str
) -> None:
    for user in lost:
        world.workspace(TENANT, "SLACK").users.add(**user._asdict())
    assert sync(online).code == 0
    assert "superseded, a later sync has seen the directory anew" in online("holds", "approve", hold_id).one_line
    shown = online("holds", "show", hold_id).out
    assert "SUPERSEDED" in shown
    assert lost[0].id not in shown


def test_a_connection_that_is_being_synced_is_not_approved_at_the_same_time(
    online: Command, database: Database, hold_id: str
) -> None:
    with (
        contextlib.closing(Locks(database.url)) as others,
        others.hold(TENANT, SLACK, wait=False, pause=lambda _: None),
    ):
        refused = online("holds", "approve", hold_id)
    assert (refused.code, refused.out) == (1, "")
    assert "another invocation is working on it; nothing was done" in refused.err
    assert not any(states(online).values())


@pytest.mark.parametrize("verb", ["show", "approve", "reject"])
def test_a_hold_that_is_not_there_is_one_line(command: Command, verb: str) -> None:
    assert f"there is no hold {NOBODY} (`holds list` shows those there are)" in command("holds", verb, NOBODY).one_line
    assert "'yesterdays' is no hold's id" in command("holds", verb, "yesterdays").one_line


def test_without_holds_there_is_nothing_to_list(command: Command) -> None:
    listed = command("holds", "list", "--output", "json")
    assert (listed.code, listed.out) == (0, "")
