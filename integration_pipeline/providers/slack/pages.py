"""Slack's answers as they come, and how a listing is walked: cursor by cursor, the same arguments with each.

GET -> response_metadata.next_cursor -> … -> pages
"""

from typing import NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.http.listings import Cursors
from integration_pipeline.http.paging import Rows
from integration_pipeline.providers.slack.answers import TOO_MUCH
from integration_pipeline.providers.slack.records import BotInfo, BotRow, ChannelRow, UserGroupRow, UserRow

MODEST_PAGE = 200
"""What Slack recommends, and where the walk goes when a larger page is refused."""
USERS_PAGES = (1000, MODEST_PAGE)
CHANNELS_PAGES = (999, MODEST_PAGE)

CHANNELS_WANTED = {"types": "public_channel,private_channel"}
"""No ``exclude_archived``: Slack filters after the page is cut, and an archived channel is not a gone one."""
GROUPS_WANTED = {"include_disabled": "1"}


class Metadata(TypedDict):
    next_cursor: NotRequired[str | None]


class Paged(TypedDict):
    response_metadata: NotRequired[Metadata | None]


class UsersPage(Paged):
    members: list[UserRow]


class BotsPage(Paged):
    members: list[BotRow]


class ChannelsPage(Paged):
    channels: list[ChannelRow]


class UserGroupsPage(TypedDict):
    usergroups: list[UserGroupRow]


class Identity(TypedDict):
    """auth.test: who the token says we are, and where."""

    team_id: str
    team: NotRequired[str | None]
    url: NotRequired[str | None]
    user_id: NotRequired[str | None]
    bot_id: NotRequired[str | None]
    app_id: NotRequired[str | None]
    enterprise_id: NotRequired[str | None]


class Workspace(TypedDict):
    name: NotRequired[str | None]
    domain: NotRequired[str | None]
    url: NotRequired[str | None]
    enterprise_id: NotRequired[str | None]
    enterprise_name: NotRequired[str | None]


class WorkspaceAnswer(TypedDict):
    team: Workspace


class BotAnswer(TypedDict):
    bot: BotInfo


USERS = Rows(UsersPage, at="members", key="id", kind="USER")
BOTS = Rows(BotsPage, at="members", key="id", kind="BOT")
CHANNELS = Rows(ChannelsPage, at="channels", key="id", kind="CHANNEL")
USER_GROUPS = Rows(UserGroupsPage, at="usergroups", key="id", kind="USER_GROUP")
IDENTITY = TypeAdapter(Identity)
WORKSPACE = TypeAdapter(WorkspaceAnswer)
BOT = TypeAdapter(BotAnswer)


def _following(page: Paged) -> str | None:
    return (page.get("response_metadata") or Metadata()).get("next_cursor")


CURSORS = Cursors(size="limit", following=_following, too_much=TOO_MUCH)
