"""Pages: walk a provider's cursors to the end, and read the rows of a page straight from its bytes.

    fetch(cursor, size) -> walk -> pages        body -> Rows.read -> (page, rejections)

A provider's listing is these two, put together by ``listings.py``::

    class Metadata(TypedDict):
        next_cursor: NotRequired[str | None]


    class Users(TypedDict):          # typing_extensions.TypedDict: pydantic needs it before Python 3.12
        members: list[UserRow]       # the rows; unknown keys are ignored, NotRequired keys may be missing
        response_metadata: NotRequired[Metadata | None]


    USERS = Rows(Users, at="members", key="id", kind="USER")


    CURSORS = Cursors(size="limit", following=next_cursor, too_much=frozenset({"limit_required"}))

    pages = CURSORS.pages(session, USERS, user, "users.list", {}, 1000, 200)

A page that cannot be read raises; it is never an empty one. A field whose inside is kept as it comes (settings) is
typed :data:`AnyJson`, never a bare ``Any``; an id is an :data:`Id`.
"""

import functools
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Generic, NamedTuple, Self, TypeVar, cast, get_args, get_type_hints

import msgspec
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from integration_pipeline.errors import Garbled, InvalidResponse, ProviderError, ProviderFault, TimedOut
from integration_pipeline.model import Rejection

T = TypeVar("T")
BatchT = TypeVar("BatchT")
PageT = TypeVar("PageT", bound=Mapping[str, Any])

MAX_PAGES = 100_000
"""No directory has so many: ten times what a million users take at LINE WORKS' hundred a page."""
MAX_KEY_BYTES = 512

_SURROGATE = re.compile("[\ud800-\udfff]")


def walk(
    fetch: Callable[[str | None, int], tuple[BatchT, str | None]],
    sizes: Sequence[int],
    *,
    too_much: Collection[str] = (),
    max_pages: int = MAX_PAGES,
) -> Iterator[BatchT]:
    """Yield every page from the first (cursor None) to the one that comes without a cursor (None or "").

    An empty page with a cursor is not the end: Slack cuts the page first and filters it afterwards.

    :param fetch: reads the page at a cursor, asking for so many rows, and says what the next cursor is. It sends the
        same arguments with every cursor.
    :param sizes: rows per page, the largest first. Where the provider cannot serve a page of one size (it timed out,
        failed on its side after every retry, or refused with one of the codes in ``too_much``), the walk goes on from
        the same cursor with the next size and keeps to it.
    :raises InvalidResponse: a cursor came twice, or there are more than ``max_pages`` pages.
    """
    smaller = iter(sizes)
    size = next(smaller)
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        try:
            batch, following = fetch(cursor, size)
        except ProviderError as error:
            next_size = next(smaller, None) if _is_too_much(error, too_much) else None
            if next_size is None:
                raise
            size = next_size
            continue
        yield batch
        if not following:
            return
        if following in seen:
            raise InvalidResponse("the provider's pages run in a circle: the same cursor came twice")
        seen.add(following)
        if len(seen) >= max_pages:
            raise InvalidResponse(f"the provider's pages do not end: {max_pages} were read")
        cursor = following


def _is_too_much(error: ProviderError, codes: Collection[str]) -> bool:
    return isinstance(error, TimedOut | ProviderFault) or error.code in codes


class Rows(Generic[PageT]):
    """How to read one kind of page: an object that holds a list of rows and what belongs to the page itself.

    :param page: a TypedDict of the whole page. One of its keys, required, is a ``list`` of the row type.
    :param at: that key.
    :param key: the row's own id, a string or an integer, for naming rows that are rejected.
    :param kind: the kind of the records that the rows become, for the same.
    """

    def __init__(self, page: type[PageT], *, at: str, key: str, kind: str) -> None:
        self._type = page
        self.at = at
        self._key = key
        self._kind = kind

    def read(self, body: bytes) -> tuple[PageT, list[Rejection]]:
        """Read a page: the page with its good rows in place, and what was wrong with the others.

        A page exactly as documented is read by msgspec, which makes nothing of what is not kept. What it refuses goes to pydantic,
        which takes a number for a text id, say. Only a page with something bad in it is looked at row by row.

        :raises Garbled: this is not JSON.
        :raises InvalidResponse: the page is not as documented; above all, the list is not there.
        """
        page = _as_documented(self._short, body)
        if page is None:
            page = _parsed(self._page, body)
        return (page, []) if page is not None else self._row_by_row(_loaded(body))

    def read_value(self, value: Any) -> tuple[PageT, list[Rejection]]:
        """Read a page that came inside another answer (a part of Graph's ``$batch``), parsed already.

        :raises InvalidResponse: as in :meth:`read`.
        """
        page = _valid(self._page, value)
        return (page, []) if not isinstance(page, _Problem) else self._row_by_row(value)

    @functools.cached_property
    def _short(self) -> msgspec.json.Decoder[PageT]:
        return msgspec.json.Decoder(self._type)

    @functools.cached_property
    def _page(self) -> TypeAdapter[PageT]:
        return TypeAdapter(self._type)

    @functools.cached_property
    def _row(self) -> TypeAdapter[Any]:
        (row,) = get_args(get_type_hints(self._type)[self.at])
        return TypeAdapter(row)

    def _row_by_row(self, value: Any) -> tuple[PageT, list[Rejection]]:
        rows = value.get(self.at) if isinstance(value, dict) else None
        if not isinstance(rows, list):
            raise InvalidResponse(f"an answer without a list of {self.at!r}")
        envelope = _valid(self._page, {**value, self.at: []})
        page = cast("dict[str, Any]", _documented(envelope))
        good, rejected = [], []
        for raw in rows:
            row = _valid(self._row, raw)
            if isinstance(row, _Problem):
                rejected.append(Rejection(self._key_of(raw), self._kind, row.text))
            else:
                good.append(row)
        page[self.at] = good
        return cast("PageT", page), rejected

    def _key_of(self, row: Any) -> str | None:
        key = row.get(self._key) if isinstance(row, dict) else None
        if isinstance(key, bool) or not isinstance(key, str | int):
            return None
        text = str(key)
        is_readable = text and not _SURROGATE.search(text) and len(text.encode()) <= MAX_KEY_BYTES
        return text if is_readable else None


def parse(adapter: TypeAdapter[T], body: bytes, *, holds_pages: bool = False) -> T:
    """Read an answer that is one thing and no list of rows (``team.info``, a bot's details).

    :param holds_pages: what it holds as ``Any`` is read later by :meth:`Rows.read_value`, which judges its text row
        by row, so that one bad row in one part does not cost the rest.
    :raises Garbled: this is not JSON.
    :raises InvalidResponse: it is JSON, but not as documented.
    """
    thing = _parsed(adapter, body)
    if thing is None:
        value = _valid(adapter, _loaded(body), is_text_read=not holds_pages)
        thing = _documented(value)
    return thing


def _as_documented(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """Parse and check in one go, strictly; None where there is anything to look at more closely."""
    try:
        body.decode()  # msgspec does not look into the texts that it skips
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _parsed(adapter: TypeAdapter[T], body: bytes) -> T | None:
    """The same, with what pydantic takes for the type."""
    try:
        return adapter.validate_json(body)
    except ValidationError:
        return None


def _loaded(body: bytes) -> Any:
    """Parse without judging the contents: ``json`` lets lone surrogates pass, to be found in their rows."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass  # raised below: the cause's own text would quote the answer
    raise Garbled("an answer that is not JSON")


class _Problem(NamedTuple):
    """What is wrong with a value: the field and the fault, and nothing of what the field holds."""

    text: str

    @classmethod
    def at(cls, place: str, fault: str) -> Self:
        # Keys of objects are the provider's data too, and the text is stored.
        return cls(_SURROGATE.sub("�", f"{place}: {fault}" if place else fault)[:300])


def _valid(adapter: TypeAdapter[T], value: Any, *, is_text_read: bool = True) -> T | _Problem:
    try:
        valid = adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return _Problem.at(".".join(str(part) for part in first["loc"]), first["msg"])
    # Only what is kept is judged: half an emoji in a field that nobody reads costs nothing.
    return (_flaw(valid) if is_text_read else None) or valid


def _documented(value: T | _Problem) -> T:
    if isinstance(value, _Problem):
        raise InvalidResponse(f"an answer that is not as documented: {value.text}")
    return value


def _flaw(value: Any) -> _Problem | None:
    """What no UTF-8 and no JSON can carry, and Python's parser lets through: lone surrogates, NaN, Infinity."""
    places: list[tuple[str, Any]] = [("", value)]
    while places:
        place, item = places.pop()
        if isinstance(item, str) and _SURROGATE.search(item):
            return _Problem.at(place, "text that is not valid Unicode")
        if isinstance(item, float) and not math.isfinite(item):
            return _Problem.at(place, "a number that is not finite")
        if isinstance(item, dict):
            places += [(f"{place}.{name}" if place else str(name), part) for name, part in item.items()]
            places += [(place, name) for name in item]
        elif isinstance(item, list):
            places += [(f"{place}.{index}" if place else str(index), part) for index, part in enumerate(item)]
    return None


def _plain(value: Any) -> Any:
    problem = _flaw(value)
    if problem is not None:
        raise ValueError(problem.text)
    return value


AnyJson = Annotated[Any, AfterValidator(_plain)]
"""For a field whose inside is kept as it comes. A bare ``Any`` would let NaN through, which PostgreSQL's json refuses."""

Id = Annotated[str, Field(min_length=1), msgspec.Meta(min_length=1)]
"""A row's own id. What a text must be besides is said to both who check it, for neither knows the other's words."""
