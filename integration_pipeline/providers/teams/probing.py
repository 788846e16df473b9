"""``connections test``: a little of everything is asked for, and what Graph refuses is named."""

from typing import Any

from integration_pipeline.errors import Forbidden, NotFound, ProviderError
from integration_pipeline.provider import Probe, Session
from integration_pipeline.providers.teams import records
from integration_pipeline.providers.teams.batch import MAX_PARTS, ask, url
from integration_pipeline.providers.teams.pages import (
    ARE_TEAMS,
    CHANNELS,
    GROUPS,
    HEADERS,
    INSTALLATIONS,
    ORGANIZATION,
    TEAMS,
    USERS,
    Resource,
    ask_each,
    grant,
)


def probe(session: Session) -> Probe:
    """Ask for a little of everything, as cheaply as it goes: what Graph refuses takes a permission that is missing.

    The organisation's name is the one thing that the nights do not need: without it the tenant is called by its id.

    :raises ProviderError: for any other reason than a missing permission.
    """
    few = {"$select": "id", "$top": "1"}
    urls = {
        ORGANIZATION.operation: url("organization", {"$select": records.ORGANIZATION_FIELDS}),
        USERS.operation: url("users", few),
        GROUPS.operation: url("groups", {**few, "$filter": ARE_TEAMS, "$top": str(MAX_PARTS)}),
    }
    answers = ask(session.api, urls, operation=ORGANIZATION.operation, headers=HEADERS)
    missing = [resource for resource in (USERS, GROUPS) if _is_forbidden(answers[resource.operation])]
    if GROUPS not in missing:
        groups, _ = GROUPS.rows.read_value(answers[GROUPS.operation])
        missing += _missing_of_teams(session, [row["id"] for row in groups["value"]])
    _name_workspace(session, answers[ORGANIZATION.operation])
    name = (session.workspace or {}).get("name") or session.connection.options.get("directory_id")
    named = [f"{resource.permission}: {resource.operation}" for resource in missing]
    remedies = [grant(session.connection, *(resource.permission for resource in missing))] if missing else []
    return Probe(str(name), named, remedies, session.warnings)


def _missing_of_teams(session: Session, ids: list[str]) -> list[Resource]:
    """What may not be read of the first of these groups that has a team."""
    teams = ask_each(session, TEAMS, ids, "teams/{}", {"$select": records.TEAM_FIELDS})
    found = next(((team_id, answer) for team_id, answer in teams if not isinstance(answer, NotFound)), None)
    if found is None:
        session.warn("The tenant has no team: the permissions for teams, channels and apps could not be tried.")
        return []
    team_id, team = found
    missing = [TEAMS] if _is_forbidden(team) or not _tells_whether_archived(team) else []
    for resource, path in ((CHANNELS, "teams/{}/channels"), (INSTALLATIONS, "teams/{}/installedApps")):
        answers = ask_each(session, resource, [team_id], path, {"$select": "id"})
        missing += [resource for _, answer in answers if _is_forbidden(answer)]
    return missing


def _tells_whether_archived(answer: Any) -> bool:
    page, _ = TEAMS.rows.read_value({"value": [answer]})
    return any(row.get("isArchived") is not None for row in page["value"])


def _is_forbidden(answer: Any) -> bool:
    if isinstance(answer, ProviderError) and not isinstance(answer, Forbidden):
        raise answer
    return isinstance(answer, Forbidden)


def _name_workspace(session: Session, answer: Any) -> None:
    if _is_forbidden(answer):
        return
    organizations, _ = ORGANIZATION.rows.read_value(answer)
    for row in organizations["value"]:
        domains = sorted(domain["name"] for domain in row.get("verifiedDomains") or [] if domain.get("name"))
        session.workspace = {"id": row["id"], "name": row.get("displayName"), "domains": domains}
