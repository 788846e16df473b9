"""A listing's pages as records: what is the same for every provider that lists rows.

fetch -> walk -> pages of rows -> make -> pages of records
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

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

        def fetch(cursor: str | None, size: int) -> tuple[Page, str | None]:
            query = {**params, self.size: str(size)} | ({"cursor": cursor} if cursor else {})
            page, rejected = asked(session, rows, path, query)
            return as_page(page[rows.at], rejected, make), self.following(page)

        first = page_size(session, sizes[0])
        return walk(fetch, (first, *(size for size in sizes if size < first)), too_much=self.too_much)


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
