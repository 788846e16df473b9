"""What is asked of Graph for each sync type, and in which order.

users, or how they changed                  -> users
groups that are teams, $batch of the teams  -> teams
$batch of their channels                    -> channels:<team id>
$batch of the teams' installed apps         -> apps:<team id>
subscriptions                               -> subscriptions
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, cast

from integration_pipeline.errors import InvalidResponse, NotFound, ProviderError
from integration_pipeline.model import Page, Rejection, Removal, SyncType
from integration_pipeline.provider import Limit, Listing, Session
from integration_pipeline.providers.teams import records
from integration_pipeline.providers.teams.delta import Feed, Told, begin, is_removed, remembering, since
from integration_pipeline.providers.teams.pages import (
    ARE_TEAMS,
    CHANGED_GROUPS,
    CHANGED_USERS,
    CHANNELS,
    GROUPS,
    INSTALLATIONS,
    SUBSCRIPTIONS,
    TEAMS,
    USERS,
    answered,
    ask_each,
    listed,
    size,
)

_IDENTITY = Limit("identity", requests=1500, seconds=10)
_TEAMS = Limit("teams", requests=30, seconds=1)

LIMITS: Mapping[str, tuple[Limit, ...]] = {
    "token": (),
    "organization": (_IDENTITY,),
    "users": (_IDENTITY,),
    "groups": (_IDENTITY,),
    "teams": (_TEAMS,),
    "channels": (Limit("channels", requests=60, seconds=1),),
    "apps": (_TEAMS,),
    "subscriptions": (),
}
"""Per application and tenant, every part of a batch counted (learn.microsoft.com/graph/throttling-limits).

Identity: the smallest tenants have 3,500 resource units in 10 s, and none of our requests costs more than two. The
page names GET team in two rows, once with installedApps: they are counted as one. The further limit of four requests a
second on one team is kept by asking each team one thing a batch.
"""

_UNKNOWN_ARCHIVED = (
    f"Graph does not say which teams are archived, so that no channel of those teams is taken for deleted. Grant the "
    f"application permission {TEAMS.permission}, and have an administrator of the tenant consent to it."
)

_FLAG_WITHOUT_TEAM = (
    "Its group is still flagged as a team. If Graph says so for days and the team is really gone, delete its group in "
    'Microsoft Entra, or take "Team" out of the group\'s resourceProvisioningOptions.'
)

USERS_FEED = Feed("users", "users/delta", CHANGED_USERS, records.CHANGED_USER_FIELDS)
GROUPS_FEED = Feed("teams", "groups/delta", CHANGED_GROUPS, records.CHANGED_GROUP_FIELDS)

MOST_ASKED_AGAIN = 100
"""How many accounts are asked for one by one; where delta leaves more open than that, the whole listing is cheaper."""

_APPS = "apps:"

Found = dict[str, bool | ProviderError | None]
"""Team id → whether it is archived, None where Graph does not say; or why the team cannot be read."""


def users(session: Session) -> Iterator[Listing]:
    """The tenant's accounts."""
    told = since(session, USERS_FEED)
    if told is not None and sum(not _is_plain(row) for row in told.rows.values()) <= MOST_ASKED_AGAIN:
        session.next_bookmarks["users"] = told.bookmark
        yield Listing("users", _changed_users(session, told), is_main=True, tells_changes=True)
        return
    bookmark = begin(session, USERS_FEED)
    if bookmark is not None:
        session.next_bookmarks["users"] = bookmark
    query = {"$select": records.USER_FIELDS, "$top": size(session)}
    yield Listing("users", listed(session, USERS, records.user, "users", query), is_main=True)


def teams(session: Session) -> Iterator[Listing]:
    """The teams, then each team's channels."""
    found: Found = {}
    yield Listing("teams", _team_pages(session, found), is_main=True)
    readable = []
    for team_id, state in found.items():
        if isinstance(state, ProviderError):
            yield _channels(session, team_id, state, proves_absence=False)
        else:
            readable.append(team_id)
    query = {"$select": records.CHANNEL_FIELDS}
    for team_id, answer in ask_each(session, CHANNELS, readable, "teams/{}/channels", query):
        # An archived team's listing lacks its private channels (microsoft-graph-docs, issue 9758).
        yield _channels(session, team_id, answer, proves_absence=found[team_id] is False)


def notifications(session: Session) -> Iterator[Listing]:
    """The apps installed in each team, then our own subscriptions. A flagged group without a team has no listing."""
    ids: list[str] | None = session.memo.get("teams")
    pages: Iterable[Page] = ()
    if ids is None:
        ids = []
        pages = _flagged_groups(session, ids)
    # No row stands under it. But what was stored of an app goes by it, when its team is gone.
    yield Listing("teams", pages, is_main=True, proves_absence=False)
    query = {"$expand": "teamsApp,teamsAppDefinition"}
    known = cache(lambda: _known_by_apps_too(session))
    for team_id, answer in _without_bare(ask_each(session, INSTALLATIONS, ids, "teams/{}/installedApps", query), known):
        app = partial(records.installed_app, team_id=team_id)
        yield Listing(f"{_APPS}{team_id}", answered(session, INSTALLATIONS, app, answer), is_often_empty=True)
    yield Listing("subscriptions", listed(session, SUBSCRIPTIONS, records.subscription, "subscriptions"))


def _changed_users(session: Session, told: Told) -> Iterator[Page]:
    """The accounts that changed; those whose rows do not say all are asked for by their ids.

    Two pages, whatever the number: for each the stored rows are looked up.
    """
    plain = [row for row in told.rows.values() if _is_plain(row)]
    yield Page(
        [records.user(cast("records.UserRow", row)) for row in plain if not is_removed(row)],
        told.rejected,
        [Removal(row["id"], "USER") for row in plain if is_removed(row)],
    )
    others = [key for key, row in told.rows.items() if not _is_plain(row)]
    asked = Page([], [])
    for key, answer in ask_each(session, USERS, others, "users/{}", {"$select": records.USER_FIELDS}):
        if isinstance(answer, ProviderError):
            asked.rejected.append(Rejection(key, "USER", f"the account has changed and cannot be read: {answer}"))
        else:
            page, rejected = USERS.rows.read_value({"value": [answer]})
            asked.records.extend(records.user(row) for row in page["value"])
            asked.rejected.extend(rejection._replace(key=key) for rejection in rejected)
    yield asked


def _is_plain(row: Mapping[str, Any]) -> bool:
    return is_removed(row) or records.is_whole(row)


@dataclass(slots=True)
class _Flagged:
    """A walk over the groups flagged as teams, and what casts doubt on it."""

    session: Session
    rejected: list[Rejection] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    """Ids that came again on a later page: the paging shifted under the walk, and other groups may have been skipped."""

    def ids(self) -> Iterator[str]:
        """Every group's id, once."""
        seen: set[str] = set()
        query = {"$filter": ARE_TEAMS, "$select": "id", "$top": size(self.session)}
        for page in listed(self.session, GROUPS, lambda row: row["id"], "groups", query):
            # A group is its id alone: without a good one it might be any stored team.
            self.rejected += [rejection._replace(key=None) for rejection in page.rejected]
            ids = dict.fromkeys(page.records)
            self.repeated += ids.keys() & seen
            yield from (team_id for team_id in ids if team_id not in seen)
            seen |= ids.keys()


def _flagged_groups(session: Session, ids: list[str]) -> Iterator[Page]:
    """The teams' ids, for what is asked of each; no records."""
    flagged = _Flagged(session)
    ids += flagged.ids()
    if flagged.repeated:
        raise InvalidResponse("groups came twice, on different pages: others may be missing")
    yield Page([], flagged.rejected)


def _team_pages(session: Session, found: Found) -> Iterator[Page]:
    """Teams, a page each, since they come one by one.

    Fills ``found``; and the memo, when the list of teams is beyond doubt.

    :raises ProviderError: not one of the teams can be read.
    """
    flagged = _Flagged(session)
    known = cache(lambda: session.known(SyncType.TEAMS, "TEAM"))
    told = since(session, GROUPS_FEED)
    if told is None:
        bookmark = begin(session, GROUPS_FEED)
        ids = list(flagged.ids())
    else:
        bookmark = told.bookmark
        ids = _still_flagged(known(), told)
        flagged.rejected += [rejection._replace(key=None) for rejection in told.rejected]
    # A repeated team is read and told once more, on a later page: so the diff learns that the paging shifted.
    for some in (ids, flagged.repeated):
        answers = ask_each(session, TEAMS, some, "teams/{}", {"$select": records.TEAM_FIELDS})
        for team_id, answer in _without_bare(answers, known):
            yield _team_page(team_id, answer, found)
    yield Page([], flagged.rejected)
    errors = [state for state in found.values() if isinstance(state, ProviderError)]
    if errors and len(errors) == len(found):
        raise errors[0]
    if None in found.values():
        session.warn(_UNKNOWN_ARCHIVED)
    if not flagged.rejected and not flagged.repeated:
        session.memo["teams"] = list(found)
        if bookmark is not None:
            # The others have no team, and may get one without a change of their own: they are asked again.
            others = [team_id for team_id in ids if team_id not in found]
            session.next_bookmarks["teams"] = remembering(bookmark, others)


def _without_bare(answers: Iterable[tuple[str, Any]], known: Callable[[], Container[str]]) -> Iterator[tuple[str, Any]]:
    """What teams answer, without the flagged groups that have none: those Graph does not find.

    A team goes with its group, and the group is there: of one that is known that is no proof, for either is not up to date.
    """
    for team_id, answer in answers:
        if isinstance(answer, NotFound):
            if team_id not in known():
                continue
            answer.remedy = _FLAG_WITHOUT_TEAM
        yield team_id, answer


def _known_by_apps_too(session: Session) -> set[str]:
    """The teams that are stored, and those in which an app is: teams need not be due."""
    apps = session.known(SyncType.NOTIFICATIONS, "INSTALLED_APP")
    return {*session.known(SyncType.TEAMS, "TEAM"), *(listing.removeprefix(_APPS) for listing in apps.values())}


def _still_flagged(known: Iterable[str], told: Told) -> list[str]:
    """The groups flagged as teams: those of the night before, and what changed since.

    A row that does not say how the flag is leaves it as it was: never set, for a group that nobody knows.
    """
    ids = dict.fromkeys([*known, *told.remembered])
    for key, row in told.rows.items():
        options = row.get("resourceProvisioningOptions")
        if not is_removed(row) and (options is None or "Team" in options):
            ids |= {} if options is None else {key: None}
        else:
            ids.pop(key, None)
    return list(ids)


def _team_page(team_id: str, answer: Any, found: Found) -> Page:
    if isinstance(answer, ProviderError):
        found[team_id] = answer
        words = (f"the team cannot be read: {answer}", answer.remedy)
        return Page([], [Rejection(team_id, "TEAM", ". ".join(filter(None, words)))])
    page, rejected = TEAMS.rows.read_value({"value": [answer]})
    found[team_id] = page["value"][0].get("isArchived") if page["value"] else None
    return Page([records.team(row) for row in page["value"]], [one._replace(key=team_id) for one in rejected])


def _channels(session: Session, team_id: str, answer: Any, *, proves_absence: bool) -> Listing:
    pages = answered(session, CHANNELS, partial(records.channel, team_id=team_id), answer)
    return Listing(f"channels:{team_id}", pages, proves_absence=proves_absence)
