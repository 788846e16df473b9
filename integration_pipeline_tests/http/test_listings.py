from typing import Any, NotRequired

import pytest
from typing_extensions import TypedDict

from integration_pipeline.http.listings import Cursors, Fetched, as_page, counted, fewest
from integration_pipeline.http.paging import Rows
from integration_pipeline.model import Page, Rejection
from integration_pipeline.providers.slack import PROVIDER
from integration_pipeline_tests.providers.canned import Body, session


class Row(TypedDict):
    id: str


class Listed(TypedDict):
    members: list[Row]
    after: NotRequired[str | None]


ROWS = Rows(Listed, at="members", key="id", kind="USER")
CURSORS = Cursors(size="limit", following=lambda page: page.get("after"), too_much={"limit_required"})
REFUSED: Body = {"ok": False, "error": "limit_required"}


def listed(*keys: str, after: str | None = None) -> Body:
    return {"ok": True, "members": [{"id": key} for key in keys], "after": after}


def walked(*answers: Body, sizes: tuple[int, ...] = (1000, 200), **options: Any) -> tuple[list[Page], list[Any]]:
    current, api = session(PROVIDER, {"users.list": answers}, options=options)
    pages = CURSORS.pages(current, ROWS, lambda row: row["id"], "users.list", {"types": "a,b"}, *sizes)
    return list(pages), [params for _, params in api.asked]


def test_every_page_is_asked_for_with_the_same_arguments_and_the_cursor_before() -> None:
    pages, asked = walked(listed("a", after="one"), listed(after="two"), listed("b"))
    assert [page.records for page in pages] == [["a"], [], ["b"]]
    arguments = {"types": "a,b", "limit": "1000"}
    assert asked == [arguments, {**arguments, "cursor": "one"}, {**arguments, "cursor": "two"}]


def test_a_refused_size_gives_way_to_the_next_from_the_same_cursor_on() -> None:
    _, asked = walked(listed("a", after="one"), REFUSED, listed("b"))
    assert [(params.get("cursor"), params["limit"]) for params in asked] == [
        (None, "1000"),
        ("one", "1000"),
        ("one", "200"),
    ]


@pytest.mark.parametrize(("wanted", "sizes"), [(500, ["500", "200"]), (200, ["200"]), (50, ["50"])])
def test_a_connection_that_wants_smaller_pages_never_gets_larger_ones(wanted: int, sizes: list[str]) -> None:
    answers = [REFUSED] * (len(sizes) - 1) + [listed("a")]
    _, asked = walked(*answers, page_size=wanted)
    assert [params["limit"] for params in asked] == sizes


def test_a_row_becomes_a_record_or_a_rejection_or_nothing() -> None:
    bad, worse = Rejection("b", "BOT", "its details could not be read"), Rejection(None, "BOT", "id: is missing")
    made = {"a": "record", "b": bad, "c": None}
    assert as_page("abc", [worse], made.get) == Page(["record"], [worse, bad])


@pytest.mark.parametrize(
    ("served", "calls"),
    [
        ([], 1),
        ([0], 1),
        ([0, 0], 2),
        ([100], 1),
        ([100, 1], 2),
        ([40, 40, 20], 1),
        ([40, 40, 21], 2),
        ([100, 0], 2),
        ([0, 30, 0, 30], 3),
        ([250], 1),
    ],
)
def test_full_pages_and_those_the_provider_left_empty_are_the_fewest(served: list[int], calls: int) -> None:
    assert fewest(served, 100) == calls


@pytest.mark.parametrize(("largest", "avoidable"), [(1000, 3), (2, 2), (None, 0)])
def test_the_session_learns_which_questions_larger_pages_would_have_spared(largest: int | None, avoidable: int) -> None:
    current, _ = session(PROVIDER, {})
    rows = {None: 1, "b": 1, "c": 0, "d": 1, "e": 1}
    following = dict(zip(rows, [*rows, None][1:], strict=True))
    pages = counted(
        current, lambda cursor, _size: Fetched(Page([], []), rows[cursor], following[cursor]), (1,), largest=largest
    )
    assert len(list(pages)) == len(rows)
    assert current.avoidable == avoidable
