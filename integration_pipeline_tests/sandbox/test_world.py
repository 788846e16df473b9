"""Worlds: the same every time, as odd as real tenants are, changed at will, described by a file that is checked."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from integration_pipeline.errors import UsageError
from integration_pipeline.sandbox import names
from integration_pipeline.sandbox.tables import ABSENT, overlay
from integration_pipeline.sandbox.world import World, build, demo, load

NOW = 1_795_000_000.0


def still(**settings: Any) -> World:
    return build(clock=lambda: NOW, **settings)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_world_is_the_same_whenever_it_is_made() -> None:
    first, second = still(tenants=3, users=40), still(tenants=3, users=40)

    assert first.connections_json() == second.connections_json()
    assert first.users_csv() == second.users_csv()
    assert [list(w.users) for w in first.workspaces()] == [list(w.users) for w in second.workspaces()]


def test_tenants_and_seeds_differ_in_people_and_in_every_id() -> None:
    ids = [
        {row.id for row in (*workspace.users, *workspace.teams, *workspace.apps)} - {"USLACKBOT"}
        for world in (still(tenants=2, users=300), still(users=300, seed=2))
        for workspace in world.workspaces()
    ]

    assert sum(len(found) for found in ids) == len(set().union(*ids))


def test_ids_are_unique_in_a_big_workspace() -> None:
    world = still(users=30_000, systems=["SLACK", "LINE_WORKS"])

    assert len(world.workspace("tenant-0001", "SLACK").users) == 30_000 + 3 + 1
    assert len(world.workspace("tenant-0001", "LINE_WORKS").users) == 30_000


def test_a_person_is_the_same_in_every_system() -> None:
    world = still(users=60, oddities=False)
    emails = [
        {user.email for user in world.workspace("tenant-0001", system).users if user.kind == "member"}
        for system in ("SLACK", "TEAMS", "LINE_WORKS")
    ]

    assert emails[0] == emails[1] == emails[2] == {row["email"] for row in rows(world.users_csv())}


def test_plain_people_have_nothing_odd_about_them() -> None:
    world = still(users=200, oddities=False)

    assert {user.state for workspace in world.workspaces() for user in workspace.users} == {"active"}
    assert {row["is_active"] for row in rows(world.users_csv())} == {"true"}


def test_odd_people_are_as_odd_as_real_ones() -> None:
    world = still(users=300)
    slack, graph, works = (world.workspace("tenant-0001", system).users for system in ("SLACK", "TEAMS", "LINE_WORKS"))

    assert {user.state for user in slack} == {"active", "deleted", "pending"}
    assert {user.kind for user in slack} == {"member", "guest", "channel_guest", "bot", "workflow_bot", "slackbot"}
    assert {user.state for user in graph} == {"active", "disabled", "pending"}
    assert {user.kind for user in graph} == {"member", "guest", "room"}
    assert {user.state for user in works} == {"active", "deleted", "suspended", "leave", "pending", "awaiting"}
    for users in (slack, graph, works):
        addresses = Counter(user.email.casefold() for user in users if user.email)
        assert max(addresses.values()) == 2


def test_internal_users_match_do_not_match_and_are_ambiguous() -> None:
    world = still(users=300)
    users = rows(world.users_csv())
    emails = Counter(user["email"] for user in users)

    assert {user["is_active"] for user in users} == {"true", "false"}
    assert {bool(user["employee_number"]) for user in users} == {True, False}
    assert max(emails.values()) == 2
    assert 280 < len(emails) < 300


def test_the_files_have_the_contracts_columns() -> None:
    world = demo()
    entries = json.loads(world.connections_json())

    assert list(rows(world.tenants_csv())[0]) == ["tenant_id", "name", "time_zone", "locale"]
    assert list(rows(world.users_csv())[0]) == [
        "tenant_id",
        "internal_user_id",
        "email",
        "employee_number",
        "display_name",
        "is_active",
    ]
    assert {entry["api_rate_limit"] for entry in entries} == {600}
    for entry in entries:
        assert (
            set(entry["options"])
            == {
                "SLACK": set(),
                "TEAMS": {"directory_id"},
                "LINE_WORKS": {"service_account", "private_key", "domain_ids"},
            }[entry["system_type"]]
        )


def test_of_the_demo_one_connection_is_broken() -> None:
    broken = [w for w in demo().workspaces() if w.access.problem]

    assert [(w.tenant_id, w.vendor.system, w.access.problem) for w in broken] == [
        ("aozora", "SLACK", "account_inactive")
    ]
    assert len({w.tenant_id for w in demo().workspaces()}) == 4


def test_the_next_night_people_come_change_and_go() -> None:
    users = still(users=5, systems=["TEAMS"]).workspace("tenant-0001", "TEAMS").users
    first, second, *others = users.rows()
    users.remove(first.id)
    users.change(second.id, last_name="旧姓")
    added = users.add(email="new@tenant-0001.example")

    assert [user.id for user in users] == [second.id, *(user.id for user in others), added.id]
    assert users[second.id].last_name == "旧姓"
    assert (users.version, first.id in users, added.number) == (3, False, 5)
    users.restore(first)
    assert users.get(first.id) == first
    with pytest.raises(ValueError, match="an id is for ever"):
        users.change(second.id, id="other")


def test_what_is_laid_over_a_row_merges_replaces_and_takes_away() -> None:
    row = {"id": "1", "profile": {"email": "a", "title": "b"}, "name": "n"}

    assert overlay(row, {"profile": {"email": None}, "name": ABSENT, "more": 1}) == {
        "id": "1",
        "profile": {"email": None, "title": "b"},
        "more": 1,
    }
    assert overlay(row, None) is row


def test_a_new_tenant_can_move_in() -> None:
    world, other = still(users=3, channels=1, teams=1), still(tenants=2, users=3)
    world.add(other.tenants["tenant-0002"])

    assert [row["tenant_id"] for row in rows(world.tenants_csv())] == ["tenant-0001", "tenant-0002"]
    assert (
        world.workspace("tenant-0002", "SLACK").access.client_id
        != world.workspace("tenant-0001", "SLACK").access.client_id
    )


def test_codes_are_a_permutation() -> None:
    assert len({names.code(3, number, 2) for number in range(36**2)}) == 36**2


def test_a_world_file_says_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    slack = {"users": 7, "teams": 2, "rotation": True}
    tenant = {"tenant_id": "a", "name": "株式会社A", "domain": "a.example", "systems": {"SLACK": slack}}
    path.write_text(json.dumps({"tenants": [tenant], "faults": [{"action": "hang", "system": "SLACK"}]}))
    world = load(path)

    assert [(w.vendor.system, w.access.rotates) for w in world.workspaces()] == [("SLACK", True)]
    assert world.workspace("a", "SLACK").users.rows("member")[0].email.endswith("@a.example")  # type: ignore[union-attr]
    assert [fault.action for fault in world.faults] == ["hang"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"tenants": [', "is no JSON"),
        ('{"tenants": []}', "tenants: "),
        ("[]", "the file: "),
        ('{"tenants": [{"name": "x"}]}', "tenants.0.tenant_id: Field required"),
        ('{"tenants": [{"tenant_id": "a", "systems": {"SLACK": {"users": -1}}}]}', "tenants.0.systems.SLACK.users: "),
        ('{"tenants": [{"tenant_id": "a", "systems": {"DISCORD": {}}}]}', "there is no system DISCORD"),
        ('{"tenants": [{"tenant_id": "a", "sized": 1}]}', "tenants.0.sized: "),
        ('{"tenants": [{"tenant_id": "a"}, {"tenant_id": "a"}]}', "two tenants have the id a"),
        ('{"tenants": [{"tenant_id": "a"}], "faults": [{"action": "explode"}]}', "faults.0.action: "),
    ],
)
def test_a_wrong_world_file_is_refused_with_its_entry(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(content)
    with pytest.raises(UsageError) as refusal:
        load(path)

    assert complaint in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


def test_a_missing_world_file_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "nowhere.json")
