"""The resources that Graph lists, and their pages: asked for alone, or in batches with a first page for each team.

GET -> @odata.nextLink -> … -> pages        $batch -> a first page per team -> @odata.nextLink -> … -> pages
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NotRequired
from urllib.parse import quote

from typing_extensions import TypedDict

from integration_pipeline.errors import Forbidden, ProviderError
from integration_pipeline.http.listings import Fetched, Make, as_page, counted, page_size
from integration_pipeline.http.paging import Rows
from integration_pipeline.model import Connection, Page, Rejection
from integration_pipeline.provider import Session
from integration_pipeline.providers.teams.answers import consent
from integration_pipeline.providers.teams.batch import ask, followed, in_batches, url
from integration_pipeline.providers.teams.records import (
    ChangedGroupRow,
    ChangedUserRow,
    ChannelRow,
    GroupRow,
    InstallationRow,
    OrganizationRow,
    SubscriptionRow,
    TeamRow,
    UserRow,
)

LARGEST_PAGE = 999
"""``$top=1000`` is refused with 400 (learn.microsoft.com/graph/api/user-list)."""

HEADERS: Mapping[str, str] = {"x-ms-throttle-priority": "Low"}
"""When a tenant runs short, people's own applications go first (learn.microsoft.com/graph/throttling-limits)."""

ARE_TEAMS = "resourceProvisioningOptions/Any(x:x eq 'Team')"
"""A flag of the group; it can be set where there is no team (learn.microsoft.com/graph/teams-list-all-teams)."""

NEXT = "@odata.nextLink"


class Teams(TypedDict):
    """Teams are read one by one, each as a page of its own."""

    value: list[TeamRow]


class Organizations(TypedDict):
    value: list[OrganizationRow]


Users = TypedDict("Users", {"value": list[UserRow], "@odata.nextLink": NotRequired[str | None]})
Groups = TypedDict("Groups", {"value": list[GroupRow], "@odata.nextLink": NotRequired[str | None]})
ChangedUsers = TypedDict(
    "ChangedUsers",
    {
        "value": list[ChangedUserRow],
        "@odata.nextLink": NotRequired[str | None],
        "@odata.deltaLink": NotRequired[str | None],
    },
)
ChangedGroups = TypedDict(
    "ChangedGroups",
    {
        "value": list[ChangedGroupRow],
        "@odata.nextLink": NotRequired[str | None],
        "@odata.deltaLink": NotRequired[str | None],
    },
)
Channels = TypedDict("Channels", {"value": list[ChannelRow], "@odata.nextLink": NotRequired[str | None]})
Installations = TypedDict("Installations", {"value": list[InstallationRow], "@odata.nextLink": NotRequired[str | None]})
Subscriptions = TypedDict("Subscriptions", {"value": list[SubscriptionRow], "@odata.nextLink": NotRequired[str | None]})


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of thing, as Graph says it.

    :param operation: names the limits that count it.
    :param permission: the application permission it takes.
    :param headers: what it takes besides :data:`HEADERS`.
    """

    operation: str
    permission: str
    rows: Rows[Any]
    headers: Mapping[str, str] = field(default_factory=dict)


ORGANIZATION = Resource(
    "organization", "Organization.Read.All", Rows(Organizations, at="value", key="id", kind="ORGANIZATION")
)
USERS = Resource("users", "User.Read.All", Rows(Users, at="value", key="id", kind="USER"))
GROUPS = Resource("groups", "GroupMember.Read.All", Rows(Groups, at="value", key="id", kind="TEAM"))
CHANGED_USERS = Resource("users", USERS.permission, Rows(ChangedUsers, at="value", key="id", kind="USER"))
CHANGED_GROUPS = Resource("groups", GROUPS.permission, Rows(ChangedGroups, at="value", key="id", kind="TEAM"))
# Team.ReadBasic.All would do, but for isArchived.
TEAMS = Resource("teams", "TeamSettings.Read.All", Rows(Teams, at="value", key="id", kind="TEAM"))
CHANNELS = Resource(
    "channels",
    "Channel.ReadBasic.All",
    Rows(Channels, at="value", key="id", kind="CHANNEL"),
    # Else a shared channel's membershipType is unknownFutureValue (learn.microsoft.com/graph/api/resources/channel).
    headers={"Prefer": "include-unknown-enum-members"},
)
INSTALLATIONS = Resource(
    "apps",
    "TeamsAppInstallation.ReadForTeam.All",
    Rows(Installations, at="value", key="id", kind="INSTALLED_APP"),
)
SUBSCRIPTIONS = Resource(
    "subscriptions",
    "to read what is subscribed to",
    Rows(Subscriptions, at="value", key="id", kind="SUBSCRIPTION"),
)


def listed(
    session: Session, resource: Resource, record: Make, path: str, params: Mapping[str, str] | None = None
) -> Iterator[Page]:
    """The pages of a listing that is asked for alone; it is counted on how few they could be where ``$top`` is ours to say."""
    largest = LARGEST_PAGE if params and "$top" in params else None
    return _walk(session, resource, record, lambda: get(session, resource, path, params), largest)


def answered(session: Session, resource: Resource, record: Make, answer: Any) -> Iterator[Page]:
    """The pages of a listing whose first page is an answer of :func:`ask_each`.

    :raises ProviderError: the answer is one.
    """

    def first() -> tuple[Any, list[Rejection]]:
        if isinstance(answer, ProviderError):
            raise answer
        return resource.rows.read_value(answer)

    return _walk(session, resource, record, first)


def ask_each(
    session: Session, resource: Resource, team_ids: Iterable[str], path: str, query: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    """Ask one thing of every team, twenty teams a call.

    :param path: with ``{}`` where the team's id goes.
    :returns: team ids, each with the body parsed, or with the ProviderError that it came to.
    """
    for batch, is_followed in followed(in_batches(team_ids)):
        urls = {team_id: url(path.format(quote(team_id, safe="")), query) for team_id in batch}
        answers = ask(
            session.api,
            urls,
            operation=resource.operation,
            headers=HEADERS,
            part_headers=resource.headers,
            is_followed=is_followed,
        )
        for team_id, answer in answers.items():
            if isinstance(answer, Forbidden):
                name_permission(answer, resource, session.connection)
            yield team_id, answer


def name_permission(error: Forbidden, resource: Resource, connection: Connection) -> None:
    """Say which permission it takes; Graph's own text names it only sometimes, and texts are not read."""
    error.remedy = grant(connection, resource.permission)


def grant(connection: Connection, *permissions: str) -> str:
    """Where the application gets these permissions, and who has to agree, in words."""
    these, are = ("permission", "it is") if len(permissions) == 1 else ("permissions", "they are")
    return (
        f"Add the application {these} {', '.join(permissions)} under API permissions in Microsoft Entra if {are} not there. "
        f"{consent(connection.options.get('directory_id'), connection.client_id)}"
    )


def size(session: Session) -> str:
    return str(page_size(session, LARGEST_PAGE))


def _walk(
    session: Session,
    resource: Resource,
    record: Make,
    first: Callable[[], tuple[Any, list[Rejection]]],
    largest: int | None = None,
) -> Iterator[Page]:
    def fetch(cursor: str | None, _size: int) -> Fetched:
        # A nextLink is used as it comes; the headers it was got with are not in it (learn.microsoft.com/graph/paging).
        page, rejected = first() if cursor is None else get(session, resource, cursor, None)
        served = len(page["value"]) + len(rejected)
        return Fetched(as_page(page["value"], rejected, record), served, page.get(NEXT))

    with _permission_named(resource, session.connection):
        yield from counted(session, fetch, (LARGEST_PAGE,), largest=largest)


def get(
    session: Session, resource: Resource, path: str, params: Mapping[str, str] | None
) -> tuple[Any, list[Rejection]]:
    """One page, by its path or by a link."""
    return session.api.get(
        path,
        lambda answer: resource.rows.read(answer.body),
        operation=resource.operation,
        params=params,
        headers={**HEADERS, **resource.headers},
    )


@contextmanager
def _permission_named(resource: Resource, connection: Connection) -> Iterator[None]:
    try:
        yield
    except Forbidden as error:
        name_permission(error, resource, connection)
        raise
