"""Microsoft Teams, through Microsoft Graph v1.0: users, teams and their channels, installed apps and subscriptions.

README.md says what is read, and what the tenant's administrator must grant.
"""

from integration_pipeline.model import SyncType, System
from integration_pipeline.provider import Endpoint, Provider
from integration_pipeline.providers.teams import auth, directory, probing
from integration_pipeline.providers.teams.answers import classify

PROVIDER = Provider(
    system=System("TEAMS"),
    title="Microsoft Teams",
    api=Endpoint("INTEGRATION_PIPELINE_GRAPH_URL", "https://graph.microsoft.com/v1.0/"),
    token=Endpoint("INTEGRATION_PIPELINE_MICROSOFT_LOGIN_URL", "https://login.microsoftonline.com/"),
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
    probe=probing.probe,
)
