import json
import traceback
from collections.abc import Callable
from typing import Any, NotRequired

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.errors import (
    Forbidden,
    Garbled,
    InvalidResponse,
    ProviderError,
    ProviderFault,
    TimedOut,
)
from integration_pipeline.http.paging import AnyJson, Rows, parse, walk
from integration_pipeline.model import Rejection


class Profile(TypedDict):
    email: NotRequired[str | None]


class Row(TypedDict):
    id: str
    name: str
    count: NotRequired[int]
    profile: NotRequired[Profile]
    settings: NotRequired[AnyJson]


class Metadata(TypedDict):
    next_cursor: NotRequired[str | None]


class Listed(TypedDict):
    members: list[Row]
    metadata: NotRequired[Metadata | None]


class Numbered(TypedDict):
    botId: int
    name: str


class Bots(TypedDict):
    bots: list[Numbered]


ROWS = Rows(Listed, at="members", key="id", kind="USER")
BOTS = Rows(Bots, at="bots", key="botId", kind="BOT")


def body(*rows: Any, **rest: Any) -> bytes:
    return json.dumps({"members": list(rows), **rest}).encode()


# --- walk


def pages(*cursors: str | None) -> Callable[[str | None, int], tuple[str | None, str | None]]:
    """A provider whose pages are named after the cursor that leads to them."""
    following: dict[str | None, str | None] = dict(zip((None, *cursors), cursors, strict=False))
    return lambda cursor, _size: (cursor, following[cursor])


def test_a_walk_reads_every_page_in_order() -> None:
    assert list(walk(pages("b", "c", None), [100])) == [None, "b", "c"]


@pytest.mark.parametrize("end", [None, ""])
def test_a_walk_ends_where_there_is_no_cursor(end: str | None) -> None:
    assert list(walk(pages(end), [100])) == [None]


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    answers: dict[str | None, tuple[list[int], str | None]] = {None: ([1], "b"), "b": ([], "c"), "c": ([2], None)}
    assert list(walk(lambda cursor, _size: answers[cursor], [100])) == [[1], [], [2]]


@pytest.mark.parametrize("cursors", [("b", "b"), ("b", "c", "b"), ("b", "c", "d", "c")])
def test_a_cursor_that_comes_twice_is_an_error(cursors: tuple[str, ...]) -> None:
    with pytest.raises(InvalidResponse, match="circle"):
        list(walk(pages(*cursors), [100]))


def test_pages_without_end_are_an_error() -> None:
    read: list[int] = []
    with pytest.raises(InvalidResponse, match="do not end"):
        read.extend(walk(lambda cursor, size: (size, f"{cursor}+"), [100], max_pages=7))
    assert len(list(walk(pages("b", "c", None), [100], max_pages=3))) == 3


def test_a_walk_reads_a_page_only_when_it_is_wanted() -> None:
    asked: list[str | None] = []
    source = pages("b", None)

    def fetch(cursor: str | None, size: int) -> tuple[str | None, str | None]:
        asked.append(cursor)
        return source(cursor, size)

    walked = walk(fetch, [100])
    assert asked == []
    next(walked)
    assert asked == [None]


@pytest.mark.parametrize(
    "error", [TimedOut("late"), ProviderFault("broken", status=500), ProviderError("no", code="limit_required")]
)
def test_a_page_too_large_is_read_again_in_smaller_ones_from_the_same_cursor(error: ProviderError) -> None:
    asked: list[tuple[str | None, int]] = []
    source = pages("b", "c", None)

    def fetch(cursor: str | None, size: int) -> tuple[str | None, str | None]:
        asked.append((cursor, size))
        if cursor == "b" and size > 200:
            raise error
        return source(cursor, size)

    assert list(walk(fetch, (1000, 200), too_much={"limit_required"})) == [None, "b", "c"]
    assert asked == [(None, 1000), ("b", 1000), ("b", 200), ("c", 200)]


@pytest.mark.parametrize("error", [Forbidden("no"), Garbled("<html>"), InvalidResponse("no"), ProviderError("no")])
def test_an_error_that_has_nothing_to_do_with_the_size_ends_the_walk(error: ProviderError) -> None:
    def fetch(cursor: str | None, size: int) -> tuple[int, str | None]:
        assert size == 1000
        raise error

    with pytest.raises(type(error)):
        list(walk(fetch, (1000, 200)))


def test_when_the_smallest_page_fails_too_its_error_is_raised() -> None:
    sizes: list[int] = []

    def fetch(cursor: str | None, size: int) -> tuple[int, str | None]:
        sizes.append(size)
        raise ProviderFault(f"broken at {size}")

    with pytest.raises(ProviderFault, match="broken at 200"):
        list(walk(fetch, (1000, 200)))
    assert sizes == [1000, 200]


@given(st.lists(st.lists(st.integers(), max_size=3), min_size=1, max_size=20), st.data())
def test_whatever_fails_in_between_every_row_is_read_once(listed: list[list[int]], data: st.DataObject) -> None:
    failing = data.draw(st.sets(st.integers(0, len(listed) - 1), max_size=3))
    sizes = range(len(failing) + 1, 0, -1)

    def fetch(cursor: str | None, size: int) -> tuple[list[int], str | None]:
        index = int(cursor or 0)
        if index in failing:
            failing.remove(index)
            raise TimedOut("late")
        return listed[index], str(index + 1) if index + 1 < len(listed) else None

    assert list(walk(fetch, list(sizes))) == listed


# --- rows


def test_a_good_page_is_read_with_what_belongs_to_it() -> None:
    page, rejected = ROWS.read(body({"id": "U1", "name": "山田", "new": 1}, metadata={"next_cursor": "b"}, ok=True))
    assert page == {"members": [{"id": "U1", "name": "山田"}], "metadata": {"next_cursor": "b"}}
    assert rejected == []


def test_an_empty_list_is_a_page() -> None:
    assert ROWS.read(body()) == ({"members": []}, [])


@pytest.mark.parametrize(
    ("row", "rejection"),
    [
        ({"id": "U2"}, Rejection("U2", "USER", "name: Field required")),
        ({"id": "U2", "name": 7}, Rejection("U2", "USER", "name: Input should be a valid string")),
        (
            {"id": "U2", "name": "b", "profile": {"email": ["x"]}},
            Rejection("U2", "USER", "profile.email: Input should be a valid string"),
        ),
        ({"id": None, "name": "b"}, Rejection(None, "USER", "id: Input should be a valid string")),
        ({"id": True, "name": "b"}, Rejection(None, "USER", "id: Input should be a valid string")),
        ({"id": "", "name": 7}, Rejection(None, "USER", "name: Input should be a valid string")),
        ({"id": "x" * 513, "name": 7}, Rejection(None, "USER", "name: Input should be a valid string")),
        ("U2", Rejection(None, "USER", "Input should be a valid dictionary")),
        (None, Rejection(None, "USER", "Input should be a valid dictionary")),
        ({"id": "U2", "name": "\ud800"}, Rejection("U2", "USER", "name: text that is not valid Unicode")),
        ({"id": "\udfff", "name": "b"}, Rejection(None, "USER", "id: text that is not valid Unicode")),
        (
            {"id": "U2", "name": "b", "settings": {"a": [{"\ud800": 1}]}},
            Rejection("U2", "USER", "settings: Value error, a.0: text that is not valid Unicode"),
        ),
        (
            {"id": "U2", "name": "b", "settings": [1, {"a": float("nan")}]},
            Rejection("U2", "USER", "settings: Value error, 1.a: a number that is not finite"),
        ),
        (
            {"id": "U2", "name": "b", "settings": float("-inf")},
            Rejection("U2", "USER", "settings: Value error, a number that is not finite"),
        ),
        (
            {"id": "U2", "name": "b", "count": float("inf")},
            Rejection("U2", "USER", "count: Input should be a finite number"),
        ),
        ({"id": "U2", "name": float("nan")}, Rejection("U2", "USER", "name: Input should be a valid string")),
    ],
)
def test_a_bad_row_is_rejected_alone(row: Any, rejection: Rejection) -> None:
    first, last = {"id": "U1", "name": "a"}, {"id": "U3", "name": "c"}
    content = {"members": [first, row, last], "metadata": {"next_cursor": "b"}}
    expected = {"members": [first, last], "metadata": {"next_cursor": "b"}}
    assert ROWS.read(json.dumps(content).encode()) == (expected, [rejection])
    assert ROWS.read_value(content) == (expected, [rejection])


def test_half_an_emoji_in_a_field_that_nobody_reads_costs_nothing() -> None:
    row = {"id": "U1", "name": "a"}
    assert ROWS.read(body({**row, "status_text": "\ud83d"})) == ({"members": [row]}, [])


def test_an_id_that_is_a_number_names_the_rejected_row() -> None:
    assert BOTS.read(b'{"bots":[{"botId":1234567890123456789}]}') == (
        {"bots": []},
        [Rejection("1234567890123456789", "BOT", "name: Field required")],
    )


def test_a_rejection_can_be_stored_whatever_the_row_held() -> None:
    class Tagged(TypedDict):
        id: str
        tags: dict[str, int]

    class Page(TypedDict):
        rows: list[Tagged]

    rows = Rows(Page, at="rows", key="id", kind="USER")
    content = {"rows": [{"id": "1", "tags": {"\ud800": 1}}, {"id": "2", "tags": {"x" * 1000 + "\ud800": "no"}}]}
    _, rejected = rows.read(json.dumps(content).encode())
    assert [rejection.key for rejection in rejected] == ["1", "2"]
    for rejection in rejected:
        assert len(rejection.message.encode()) <= 400


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<!doctype html><title>503</title>",
        b'{"members":[{"id":"U1","na',
        b'{"members":[]} trailing',
        b'{"members":["\xff\xfe"]}',
        b'{"members":[],"nobody reads this":"\xff\xfe"}',
        b"[" * 100_000,
        b'{"members":[' + b"9" * 5000 + b"]}",
    ],
)
def test_a_body_that_is_not_json_is_garbled(text: bytes) -> None:
    with pytest.raises(Garbled):
        ROWS.read(text)
    with pytest.raises(Garbled):
        parse(TypeAdapter(Listed), text)


@pytest.mark.parametrize(
    "text", [b"null", b"[]", b'"members"', b"{}", b'{"members":null}', b'{"members":{}}', b'{"members":""}']
)
def test_an_answer_without_the_list_is_invalid_and_never_empty(text: bytes) -> None:
    with pytest.raises(InvalidResponse) as caught:
        ROWS.read(text)
    assert not isinstance(caught.value, Garbled)


def test_a_page_whose_cursor_cannot_be_read_is_invalid() -> None:
    with pytest.raises(InvalidResponse, match=r"metadata\.next_cursor: Input should be a valid string"):
        ROWS.read(body({"id": "U1", "name": "a"}, metadata={"next_cursor": 7}))


SECRET = "taro@example.co.jp"


@pytest.mark.parametrize(
    "text",
    [SECRET.encode(), body(metadata=SECRET), body(metadata={"next_cursor": [SECRET]}), json.dumps([SECRET]).encode()],
)
def test_neither_an_error_nor_its_trace_quotes_the_answer(text: bytes) -> None:
    for read in (ROWS.read, lambda text: parse(TypeAdapter(Listed), text)):
        with pytest.raises(InvalidResponse) as caught:
            read(text)
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_rejection_never_holds_what_the_row_held() -> None:
    _, rejected = ROWS.read(body({"id": "U1", "name": [SECRET], "profile": SECRET, "count": SECRET}))
    assert len(rejected) == 1
    assert SECRET not in rejected[0].message


@given(st.lists(st.booleans()))
def test_every_row_is_either_kept_or_rejected(plan: list[bool]) -> None:
    rows = [{"id": f"U{index}", "name": "a" if good else 7} for index, good in enumerate(plan)]
    page, rejected = ROWS.read(body(*rows))
    kept, lost = {row["id"] for row in page["members"]}, {rejection.key for rejection in rejected}
    assert kept == {f"U{index}" for index, good in enumerate(plan) if good}
    assert lost == {f"U{index}" for index, good in enumerate(plan) if not good}


# --- parse


def test_one_thing_is_parsed() -> None:
    assert parse(TypeAdapter(Row), b'{"id":"U1","name":"a","more":1}') == {"id": "U1", "name": "a"}


def test_one_thing_of_another_shape_is_invalid() -> None:
    with pytest.raises(InvalidResponse, match="name: Field required"):
        parse(TypeAdapter(Row), b'{"id":"U1"}')


def test_one_thing_with_text_that_is_not_unicode_is_invalid() -> None:
    with pytest.raises(InvalidResponse, match="name: text that is not valid Unicode"):
        parse(TypeAdapter(Row), b'{"id":"U1","name":"\\ud800"}')


def test_a_bad_row_inside_a_part_of_a_batch_costs_only_itself() -> None:
    class Part(TypedDict):
        body: Any

    class Batch(TypedDict):
        responses: list[Part]

    good, bad = {"id": "U1", "name": "a"}, {"id": "U2", "name": "\ud800"}
    text = json.dumps({"responses": [{"body": {"members": [good]}}, {"body": {"members": [good, bad]}}]}).encode()
    batch = parse(TypeAdapter(Batch), text, holds_pages=True)
    read = [ROWS.read_value(part["body"]) for part in batch["responses"]]
    assert [page["members"] for page, _ in read] == [[good], [good]]
    assert [[rejection.key for rejection in rejected] for _, rejected in read] == [[], ["U2"]]
