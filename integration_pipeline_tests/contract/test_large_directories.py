"""Two thousand users, 300 channels, 200 teams: right to the row, twice, however small the batches."""

from collections.abc import Mapping

import pytest

from integration_pipeline import registry
from integration_pipeline.model import Status, SyncType
from integration_pipeline.sandbox.tables import Team
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"


def stored(night: Nights, table: str, key: str) -> dict[str, bool]:
    return {row[0]: row[1] for row in night.rows(f"SELECT {key}, is_active FROM {table}")}


def visible_teams(night: Nights, system: str) -> set[str]:
    """What the provider shows of the world's teams, as its documentation says."""
    teams = {team.id: team for team in night.world.workspace(TENANT, system).teams}
    kinds = {"TEAM", "CHANNEL", "GROUP", "USER_GROUP", "ORG_UNIT"}

    def is_hidden(team: Team) -> bool:
        if system == "TEAMS":
            # A group that is only flagged as a team has no channels; an archived team lists the standard ones only.
            host = teams.get(team.parent_id or "")
            return host is not None and (host.kind != "TEAM" or (host.is_archived and team.visibility != "standard"))
        return team.visibility == "private" and not team.has_app

    return {team.id for team in teams.values() if team.kind in kinds and not is_hidden(team)}


@pytest.mark.parametrize("system", list(registry.FOLDERS))
def test_two_thousand_users_are_right_to_the_row_twice(environ: Mapping[str, str], system: str) -> None:
    world = build(users=2000, channels=300, teams=200, systems=[system])
    with nights(environ, world) as night:
        first = night.run(batch_size=7)
        assert {outcome.status for outcome in first.values()} == {Status.SUCCESS}, first
        users = {user.id: user for user in world.workspace(TENANT, system).users}
        bots = {"bot", "workflow_bot", "slackbot"}
        there = {key for key, user in users.items() if user.kind not in bots and user.state != "deleted"}
        found = stored(night, "external_users", "external_user_id")
        assert set(found) == there
        assert {key for key, is_active in found.items() if not is_active} == {
            key for key in there if users[key].state in {"disabled", "suspended"}
        }
        created = first[TENANT, system, SyncType.USERS].counts.created
        assert created == len(there)
        assert set(stored(night, "external_teams", "external_team_id")) == visible_teams(night, system)
        second = night.run()
        assert all(
            (counts.created, counts.updated, counts.deleted, counts.unchanged) == (0, 0, 0, first[key].counts.created)
            for key, outcome in second.items()
            for counts in [outcome.counts]
        )
