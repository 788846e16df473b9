"""Slack's answers as they come, and how a listing is walked: cursor by cursor, the same arguments with each.

GET -> response_metadata.next_cursor -> … -> pages
"""

from collections.abc import Iterator, Mapping
from typing import NotRequired, TypeVar

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.http.paging import Rows, walk
from integration_pipeline.model import Rejection
from integration_pipeline.provider import Session
from integration_pipeline.providers.slack.answers import TOO_MUCH
from integration_pipeline.providers.slack.records import BotInfo, BotRow, ChannelRow, UserGroupRow, UserRow

LARGEST_USERS_PAGE = 1000
LARGEST_CHANNELS_PAGE = 999
MODEST_PAGE = 200
"""What Slack recommends, and where the walk goes when a larger page is refused."""

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


PageT = TypeVar("PageT", UsersPage, BotsPage, ChannelsPage, UserGroupsPage)
PagedT = TypeVar("PagedT", UsersPage, BotsPage, ChannelsPage)

USERS = Rows(UsersPage, at="members", key="id", kind="USER")
BOTS = Rows(BotsPage, at="members", key="id", kind="BOT")
CHANNELS = Rows(ChannelsPage, at="channels", key="id", kind="CHANNEL")
USER_GROUPS = Rows(UserGroupsPage, at="usergroups", key="id", kind="USER_GROUP")
IDENTITY = TypeAdapter(Identity)
WORKSPACE = TypeAdapter(WorkspaceAnswer)
BOT = TypeAdapter(BotAnswer)


def walked(
    session: Session, rows: Rows[PagedT], method: str, params: Mapping[str, str], largest: int
) -> Iterator[tuple[PagedT, list[Rejection]]]:
    def fetch(cursor: str | None, size: int) -> tuple[tuple[PagedT, list[Rejection]], str | None]:
        query = {**params, "limit": str(size)} | ({"cursor": cursor} if cursor else {})
        page, rejected = asked(session, rows, method, query)
        return (page, rejected), (page.get("response_metadata") or Metadata()).get("next_cursor")

    first = min(session.connection.options.get("page_size") or largest, largest)
    return walk(fetch, (first, MODEST_PAGE) if first > MODEST_PAGE else (first,), too_much=TOO_MUCH)


def asked(session: Session, rows: Rows[PageT], method: str, params: Mapping[str, str]) -> tuple[PageT, list[Rejection]]:
    return session.api.get(method, lambda answer: rows.read(answer.body), operation=method, params=params)
