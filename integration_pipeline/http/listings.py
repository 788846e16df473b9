"""A listing's pages as records: what is the same for every provider that lists rows.

fetch -> walk -> pages of rows -> make -> pages of records
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from integration_pipeline.http.paging import Rows, walk
from integration_pipeline.model import Page, Rejection
from integration_pipeline.provider import Session

PageT = TypeVar("PageT", bound=Mapping[str, Any])

Make = Callable[[Any], Any]
"""A row → its record; a rejection where more than the row must be read; None for a row that is no record of ours."""


@dataclass(frozen=True, slots=True)
class Cursors:
    """How a provider's listings are walked by cursor, the same arguments with each.

    :param size: the parameter that says how many rows are wanted.
    :param following: the cursor of the page after this one, None or empty on the last.
    :param too_much: the codes that refuse a page as too large.
    """

    size: str
    following: Callable[[Any], str | None]
    too_much: Collection[str] = ()

    def pages(
        self, session: Session, rows: Rows[Any], make: Make, path: str, params: Mapping[str, str], *sizes: int
    ) -> Iterator[Page]:
        """Every page of a listing.

        :param path: the path, which is the name of the operation too.
        :param sizes: rows per page, the largest first; smaller ones are for where a larger one is refused.
        """

        def fetch(cursor: str | None, size: int) -> Fetched:
            query = {**params, self.size: str(size)} | ({"cursor": cursor} if cursor else {})
            page, rejected = asked(session, rows, path, query)
            served = len(page[rows.at]) + len(rejected)
            return Fetched(as_page(page[rows.at], rejected, make), served, self.following(page))

        first = page_size(session, sizes[0])
        asked_sizes = (first, *(size for size in sizes if size < first))
        return counted(session, fetch, asked_sizes, largest=sizes[0], too_much=self.too_much)


class Fetched(NamedTuple):
    """A page, how many rows the provider served for it (those that are no records of ours too), and the next cursor."""

    page: Page
    served: int
    following: str | None


def counted(
    session: Session,
    fetch: Callable[[str | None, int], Fetched],
    sizes: Sequence[int],
    *,
    largest: int | None,
    too_much: Collection[str] = (),
) -> Iterator[Page]:
    """Walk a listing (:func:`walk`), and tell the session how many of its questions larger pages would have spared.

    :param largest: rows on the provider's largest page; None where the size is its own affair, and every page is needed.
    """
    questions, served = 0, list[int]()

    def fetch_and_count(cursor: str | None, size: int) -> tuple[Page, str | None]:
        nonlocal questions
        questions += 1
        page, rows, following = fetch(cursor, size)
        served.append(rows)
        return page, following

    try:
        yield from walk(fetch_and_count, sizes, too_much=too_much)
    finally:
        if largest is not None:
            session.avoidable += questions - fewest(served, largest)


def fewest(served: Sequence[int], largest: int) -> int:
    """The fewest pages that could have carried a listing: full ones, and those that the provider left empty.

    :param served: rows on each page.
    :param largest: the rows of the provider's largest page.
    """
    filled = sum(rows > 0 for rows in served)
    return max(1, min(filled, math.ceil(sum(served) / largest)) + len(served) - filled)


def page_size(session: Session, largest: int) -> int:
    """How many rows to ask for at a time: as many as are served, or as the connection wants."""
    return min(session.connection.options.get("page_size") or largest, largest)


def asked(session: Session, rows: Rows[PageT], path: str, params: Mapping[str, str]) -> tuple[PageT, list[Rejection]]:
    """One page, by a path that is the name of its operation too."""
    return session.api.get(path, lambda answer: rows.read(answer.body), operation=path, params=params)


def as_page(rows: Iterable[Any], rejected: list[Rejection], make: Make) -> Page:
    """The rows of a page as records."""
    page = Page([], rejected)
    for row in rows:
        made = make(row)
        if isinstance(made, Rejection):
            page.rejected.append(made)
        elif made is not None:
            page.records.append(made)
    return page
