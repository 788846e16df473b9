"""LINE WORKS' answers as they come, and how a listing is walked: cursor by cursor, the same arguments with each.

GET -> responseMetaData.nextCursor -> … -> pages
"""

from collections.abc import Iterator, Mapping
from typing import Any, NotRequired

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.http.listings import Cursors, Make
from integration_pipeline.http.paging import Rows
from integration_pipeline.model import Page
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


USERS = Rows(UsersPage, at="users", key="userId", kind="USER")
GROUPS = Rows(GroupsPage, at="groups", key="groupId", kind="GROUP")
ORG_UNITS = Rows(OrgUnitsPage, at="orgUnits", key="orgUnitId", kind="ORG_UNIT")
BOTS = Rows(BotsPage, at="bots", key="botId", kind="BOT")
BOT = TypeAdapter(BotDetails)


def pages(session: Session, rows: Rows[Any], make: Make, path: str, params: Mapping[str, str]) -> Iterator[Page]:
    """Every page of a listing. A cursor holds ``+``, ``/`` and ``=``: the client encodes what it sends as parameters."""
    return _CURSORS.pages(session, rows, make, path, params, LARGEST_PAGE)


def _following(page: Paged) -> str | None:
    return (page.get("responseMetaData") or Metadata()).get("nextCursor")


_CURSORS = Cursors(size="count", following=_following)
