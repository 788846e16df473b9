"""LINE WORKS, API 2.0: users, groups and org units of every domain, and the tenant's bots (README.md beside this file)."""

from integration_pipeline.model import SyncType, System
from integration_pipeline.provider import Endpoint, Provider
from integration_pipeline.providers.lineworks import auth, directory
from integration_pipeline.providers.lineworks.answers import classify

_DOMAINS = ("worksapis.com", "worksmobile.com")

PROVIDER = Provider(
    system=System("LINE_WORKS"),
    title="LINE WORKS",
    api=Endpoint("INTEGRATION_PIPELINE_LINE_WORKS_URL", "https://www.worksapis.com/v1.0/", domains=_DOMAINS),
    token=Endpoint("INTEGRATION_PIPELINE_LINE_WORKS_AUTH_URL", "https://auth.worksmobile.com/oauth2/v2.0/"),
    limits=directory.LIMITS,
    options=auth.OPTIONS,
    problems=auth.problems,
    token_request=auth.token_request,
    read_token=auth.read_token,
    refresh_before=auth.REFRESH_BEFORE,
    classify=classify,
    listings={
        SyncType.USERS: directory.users,
        SyncType.TEAMS: directory.teams,
        SyncType.NOTIFICATIONS: directory.notifications,
    },
    probe=directory.probe,
)
