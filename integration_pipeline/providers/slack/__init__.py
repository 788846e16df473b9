"""Slack: a workspace's users, channels, user groups and bots (README.md beside this file)."""

from integration_pipeline.model import SyncType, System
from integration_pipeline.provider import Endpoint, Provider
from integration_pipeline.providers.slack import auth, directory
from integration_pipeline.providers.slack.answers import classify

_URL = Endpoint("INTEGRATION_PIPELINE_SLACK_URL", "https://slack.com/api/")

PROVIDER = Provider(
    system=System("SLACK"),
    title="Slack",
    api=_URL,
    token=_URL,
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
