"""Graph's delta: what changed since a link, in place of the whole listing.

bookmark -> pages of changes -> everything named, once, and the next bookmark
no bookmark, or a link that is no good -> $deltatoken=latest, then the whole listing -> a bookmark all the same

The link is taken before the listing is read, so that what changes meanwhile comes again and nothing is missed. Delta is
never needed: where Graph refuses it for good (the link expired: 400 or 410; it was never allowed: 403), or answers what
nobody can go on from, the whole listing is read instead. What may pass (429, 5xx, no answer) fails the sync, and the
same link is asked again next night.

``Prefer: return=minimal`` is not sent: a row then has all its selected properties but those that were never set
(learn.microsoft.com/graph/delta-query-overview, …/graph/api/user-delta).
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integration_pipeline.errors import InvalidResponse, ProviderError
from integration_pipeline.http.paging import walk
from integration_pipeline.model import Bookmark, Rejection
from integration_pipeline.provider import Session
from integration_pipeline.providers.teams.pages import NEXT, Resource, get

log = logging.getLogger(__name__)

MOST_ROWS = 20_000
"""More changes than this are not worth it: they come some 200 a page, the listing 999, and they wait in memory."""

_LINK = "@odata.deltaLink"


@dataclass(frozen=True, slots=True)
class Feed:
    """Something whose changes Graph tells.

    :param listing: the listing that its changes stand for.
    :param resource: its rows as delta gives them.
    """

    listing: str
    path: str
    resource: Resource
    fields: str


@dataclass(slots=True)
class Told:
    """What changed since a bookmark: the last row of everything named, in the order of the walk."""

    bookmark: Bookmark
    remembered: list[str]
    """What :func:`remembering` put beside the link."""
    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _rejected: dict[str, Rejection] = field(default_factory=dict)
    _nameless: list[Rejection] = field(default_factory=list)

    @property
    def rejected(self) -> list[Rejection]:
        return [*self._rejected.values(), *self._nameless]

    def add(self, row: Mapping[str, Any]) -> None:
        self._forget(row["id"])
        self.rows[row["id"]] = row

    def reject(self, rejection: Rejection) -> None:
        if rejection.key is None:
            self._nameless.append(rejection)
        else:
            self._forget(rejection.key)
            self._rejected[rejection.key] = rejection

    def _forget(self, key: str) -> None:
        self.rows.pop(key, None)
        self._rejected.pop(key, None)


class _Page(NamedTuple):
    rows: list[Mapping[str, Any]]
    rejected: list[Rejection]
    delta_link: str | None


def since(session: Session, feed: Feed) -> Told | None:
    """Everything that changed since the bookmark, with the next one; None where the whole listing must be read."""
    bookmark = session.bookmarks.get(feed.listing)
    if bookmark is None or bookmark.question != _question(session, feed):
        return None
    questions = session.questions
    try:
        told = _read(session, feed, bookmark)
    except ProviderError as error:
        if error.is_retryable or error.is_fatal:
            raise
        log.info("delta refused tenant=%s listing=%s error=%s", session.connection.tenant_id, feed.listing, error)
        told = None
    if told is None:
        session.avoidable += session.questions - questions
    return told


def begin(session: Session, feed: Feed) -> Bookmark | None:
    """A bookmark from which everything that changes from now on will be told; None where Graph gives none.

    To be taken before the whole listing is read.
    """
    query = {"$deltatoken": "latest", "$select": feed.fields}
    try:
        page, _ = get(session, feed.resource, feed.path, query)
    except ProviderError as error:
        if error.is_retryable or error.is_fatal:
            raise
        log.info("no delta tenant=%s listing=%s error=%s", session.connection.tenant_id, feed.listing, error)
        return None
    link = page.get(_LINK)
    return Bookmark(link, _question(session, feed), None) if link else None


def remembering(bookmark: Bookmark, ids: Iterable[str]) -> Bookmark:
    """The bookmark with ids beside its link, which the next night is told again."""
    return bookmark._replace(cursor="\n".join([bookmark.cursor, *ids]))


def is_removed(row: Mapping[str, Any]) -> bool:
    """Whether it is gone: for now (``changed``: it can be restored, and then comes as any other row) or for good."""
    return row.get("@removed") is not None


def _question(session: Session, feed: Feed) -> str:
    """A link is bound to what was selected, and to the directory that it was asked of."""
    return f"{session.connection.options.get('directory_id')} {feed.fields}"


def _read(session: Session, feed: Feed, bookmark: Bookmark) -> Told | None:
    """The walk from a link to the next one; None where it tells too much.

    A thing may come several times: the last time is how it is (learn.microsoft.com/graph/delta-query-overview).
    """
    link, *remembered = bookmark.cursor.split("\n")
    told, following = Told(bookmark, remembered), None
    for page in _pages(session, feed, link):
        for row in page.rows:
            told.add(row)
        for rejection in page.rejected:
            told.reject(rejection)
        following = page.delta_link
        if len(told.rows) + len(told.rejected) > MOST_ROWS:
            return None
    if not following:
        raise InvalidResponse("changes without a link to go on by")
    told.bookmark = bookmark._replace(cursor=following)
    return told


def _pages(session: Session, feed: Feed, link: str) -> Iterator[_Page]:
    def fetch(cursor: str | None, _size: int) -> tuple[_Page, str | None]:
        page, rejected = get(session, feed.resource, cursor or link, None)
        return _Page(page["value"], rejected, page.get(_LINK)), page.get(NEXT)

    return walk(fetch, (1,))
