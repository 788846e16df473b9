from typing import Any, NotRequired

import pytest
from typing_extensions import TypedDict

from integration_pipeline.http.listings import Cursors, as_page
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
