"""LINE WORKS' answers as they come, and how a listing is walked: cursor by cursor, the same arguments with each.

GET -> responseMetaData.nextCursor -> … -> pages
"""

from collections.abc import Iterator, Mapping
from typing import NotRequired, TypeVar

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.http.paging import Rows, walk
from integration_pipeline.model import Rejection
from integration_pipeline.provider import Session
from integration_pipeline.providers.lineworks.records import BotDetails, BotRow, GroupRow, OrgUnitRow, UserRow

LARGEST_PAGE = 100


class Metadata(TypedDict):
    nextCursor: NotRequired[str | None]


class Paged(TypedDict):
    responseMetaData: NotRequired[Metadata | None]


class UsersPage(Paged):
    users: list[UserRow]


class GroupsPage(Paged):
    groups: list[GroupRow]


class OrgUnitsPage(Paged):
    orgUnits: list[OrgUnitRow]


class BotsPage(Paged):
    bots: list[BotRow]


PageT = TypeVar("PageT", UsersPage, GroupsPage, OrgUnitsPage, BotsPage)

USERS = Rows(UsersPage, at="users", key="userId", kind="USER")
GROUPS = Rows(GroupsPage, at="groups", key="groupId", kind="GROUP")
ORG_UNITS = Rows(OrgUnitsPage, at="orgUnits", key="orgUnitId", kind="ORG_UNIT")
BOTS = Rows(BotsPage, at="bots", key="botId", kind="BOT")
BOT = TypeAdapter(BotDetails)


def walked(
    session: Session, rows: Rows[PageT], path: str, params: Mapping[str, str]
) -> Iterator[tuple[PageT, list[Rejection]]]:
    """Every page of a listing. A cursor holds ``+``, ``/`` and ``=``: the client encodes what it sends as parameters."""

    def fetch(cursor: str | None, size: int) -> tuple[tuple[PageT, list[Rejection]], str | None]:
        query = {**params, "count": str(size)} | ({"cursor": cursor} if cursor else {})
        page, rejected = asked(session, rows, path, query)
        return (page, rejected), (page.get("responseMetaData") or Metadata()).get("nextCursor")

    return walk(fetch, (min(session.connection.options.get("page_size") or LARGEST_PAGE, LARGEST_PAGE),))


def asked(session: Session, rows: Rows[PageT], path: str, params: Mapping[str, str]) -> tuple[PageT, list[Rejection]]:
    return session.api.get(path, lambda answer: rows.read(answer.body), operation=path, params=params)
