"""What Graph tells of changes, row by row: what is believed of it, and when the whole listing is read instead."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest

from integration_pipeline.errors import ProviderFault
from integration_pipeline.model import Bookmark, Page, SyncType
from integration_pipeline.provider import Session
from integration_pipeline.providers.teams import delta
from integration_pipeline.providers.teams.directory import GROUPS_FEED, USERS_FEED
from integration_pipeline_tests.providers.teams.graph import (
    Canned,
    Graph,
    ok,
    refused,
    rows,
    session,
    stored_teams,
    walk,
)

LISTED_AT = dt.datetime(2026, 11, 20, 21, 0, tzinfo=dt.UTC)
NEXT = "https://graph.microsoft.com/v1.0/{}/delta?$skiptoken=2"
FOLLOWING = "https://graph.microsoft.com/v1.0/{}/delta?$deltatoken=next"


def person(name: str, **changes: Any) -> dict[str, Any]:
    """A row as delta gives it: what was never set is not in it."""
    return {
        "id": name,
        "displayName": name,
        "userPrincipalName": f"{name}@contoso.co.jp",
        "accountEnabled": True,
        **changes,
    }


def removed(name: str, reason: str = "changed") -> dict[str, Any]:
    return {"id": name, "@removed": {"reason": reason}}


def group(name: str, *options: str) -> dict[str, Any]:
    return {"id": name, "resourceProvisioningOptions": list(options)}


def told(what: str, *pages: list[dict[str, Any]]) -> list[Canned]:
    """The answers to a link: pages, with the link to the next night in the last."""
    ends = [{"@odata.nextLink": f"{NEXT.format(what)}{number}"} for number in range(len(pages) - 1)]
    ends.append({"@odata.deltaLink": FOLLOWING.format(what)})
    return [ok({"value": page, **end}) for page, end in zip(pages, ends, strict=True)]


def bookmarked(graph: Graph, *remembered: str, known: tuple[str, ...] = ()) -> Session:
    """A session of the night after: users and groups go on from a link."""
    current = session(graph)
    question = "contoso.example {}"
    current.bookmarks = {
        feed.listing: Bookmark(
            "\n".join([f"https://graph.microsoft.com/v1.0/{feed.path}?$deltatoken=now", *remembered]),
            question.format(feed.fields),
            LISTED_AT,
        )
        for feed in (USERS_FEED, GROUPS_FEED)
    }
    current.known = stored_teams(*known)
    return current


def users_told(*pages: list[dict[str, Any]], **more: Any) -> tuple[list[Page], Session, Graph]:
    graph = Graph({"users/delta": told("users", *pages), "users": rows(person("whole")), **more})
    current = bookmarked(graph)
    read, unread = walk(current, SyncType.USERS)
    assert unread == {}
    return read["users"], current, graph


def teams_told(
    *pages: list[dict[str, Any]],
    known: tuple[str, ...] = (),
    remembered: tuple[str, ...] = (),
    bare: tuple[str, ...] = (),
) -> tuple[list[str], Session, Graph]:
    """The teams asked for."""
    answers: dict[str, Canned | list[Canned]] = {"groups/delta": told("groups", *pages)}
    for name in ("a", "b", "c", "d"):
        body: Mapping[str, Any] = {"id": name, "isArchived": False}
        answers |= {f"teams/{name}": refused(404) if name in bare else ok(body), f"teams/{name}/channels": rows()}
    graph = Graph(answers)
    current = bookmarked(graph, *remembered, known=known)
    walk(current, SyncType.TEAMS)
    assert graph.count("groups") == 0
    asked = [path.split("/") for path, _, _ in graph.asked]
    return [parts[1] for parts in asked if parts[0] == "teams" and parts[2:] == []], current, graph


def test_the_last_row_of_an_account_is_how_it_is_wherever_it_comes_again() -> None:
    (page, _), _, _ = users_told(
        [person("a", displayName="old"), person("b"), removed("c"), person("d", mail=7)],
        [person("a", displayName="new"), removed("b"), person("c"), person("d")],
    )
    assert {user.key: user.external_username for user in page.records} == {"a": "new", "c": "c", "d": "d"}
    assert [removal.key for removal in page.removed] == ["b"]
    assert page.rejected == []


def test_the_next_night_goes_on_from_the_last_pages_link_and_the_week_does_not_begin_anew() -> None:
    _, current, graph = users_told([person("a")], [])
    assert current.next_bookmarks == {
        "users": current.bookmarks["users"]._replace(cursor=FOLLOWING.format("users")),
    }
    assert current.next_bookmarks["users"].listed_at == LISTED_AT
    assert [query for _, query, _ in graph.asked] == [{"$deltatoken": "now"}, {"$skiptoken": "20"}]


def test_what_was_never_set_is_null() -> None:
    (page, _), _, _ = users_told([person("a")])
    (user,) = page.records
    assert (user.employee_number, user.match_email, user.match_email_2) == (None, None, "a@contoso.co.jp")


@pytest.mark.parametrize("missing", ["displayName", "userPrincipalName", "accountEnabled"])
def test_a_row_that_lacks_what_every_account_has_is_asked_for(missing: str) -> None:
    row = {name: value for name, value in person("a").items() if name != missing}
    (told_page, asked_page), _, graph = users_told([row, person("b")], **{"users/a": ok(person("a", mail="a@x.jp"))})
    assert [user.key for user in told_page.records] == ["b"]
    assert [user.match_email for user in asked_page.records] == ["a@x.jp"]
    assert graph.batches == [["users/a"]]


def test_an_account_that_cannot_be_asked_for_is_rejected() -> None:
    pages, _, _ = users_told([{"id": "a"}, {"id": "b"}], **{"users/b": ok({"id": "b"})})
    assert [rejection.key for page in pages for rejection in page.rejected] == ["a", "b"]


def test_rows_that_cannot_be_read_are_rejected_by_their_ids_where_these_can() -> None:
    (page, _), _, _ = users_told([person("a", mail=7), {"displayName": "?"}, {"id": ""}])
    assert [rejection.key for rejection in page.rejected] == ["a", None, None]


def test_rows_that_cannot_be_read_count_among_those_that_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "MOST_ROWS", 2)
    (page,), current, _ = users_told([person("a"), person("b", mail=7), {"displayName": "?"}])
    assert ([user.key for user in page.records], page.rejected) == (["whole"], [])
    assert current.next_bookmarks["users"].listed_at is None


@pytest.mark.parametrize("link", ["", None])
def test_a_walk_that_ends_without_a_link_is_not_believed(link: str | None) -> None:
    end = ok({"value": [removed("a")], "@odata.deltaLink": link})
    graph = Graph({"users/delta": [end, *told("users", [])], "users": rows(person("a"))})
    current = bookmarked(graph)
    read, _ = walk(current, SyncType.USERS)
    assert [user.key for page in read["users"] for user in page.records] == ["a"]
    assert current.next_bookmarks["users"].listed_at is None
    assert current.avoidable == 1


def test_what_may_pass_fails_the_sync_and_reads_nothing_whole() -> None:
    graph = Graph({"users/delta": refused(503), "users": rows(person("a"))})
    with pytest.raises(ProviderFault):
        walk(bookmarked(graph), SyncType.USERS)
    assert graph.count("users") == 0


def test_without_a_first_link_the_listing_is_read_and_nothing_is_kept() -> None:
    graph = Graph({"users/delta": ok({"value": []}), "users": rows(person("a"))})
    current = session(graph)
    walk(current, SyncType.USERS)
    assert current.next_bookmarks == {}


def test_teams_that_are_not_told_of_are_those_that_are_stored() -> None:
    asked, current, _ = teams_told([], known=("a", "b"))
    assert asked == ["a", "b"]
    assert current.next_bookmarks["teams"].cursor == FOLLOWING.format("groups")
    assert current.memo["teams"] == ["a", "b"]


def test_groups_become_teams_and_cease_to_be_as_they_are_told() -> None:
    asked, _, _ = teams_told(
        [group("c", "Team"), group("d"), removed("a", "deleted"), group("b", "Team")],
        [group("c", "Team"), group("b")],
        known=("a", "b"),
    )
    assert asked == ["c"]


def test_a_group_that_does_not_say_whether_it_is_a_team_is_what_it_was() -> None:
    asked, _, _ = teams_told([{"id": "a"}, {"id": "c"}], known=("a",))
    assert asked == ["a"]


def test_a_flagged_group_without_a_team_is_asked_again_every_night() -> None:
    asked, current, _ = teams_told([group("c", "Team")], known=("a",), remembered=("b",), bare=("b", "c"))
    assert asked == ["a", "b", "c"]
    assert current.next_bookmarks["teams"].cursor.split("\n") == [FOLLOWING.format("groups"), "b", "c"]


def test_a_group_that_cannot_be_read_may_be_any_team() -> None:
    _, current, _ = teams_told([{"id": "c", "resourceProvisioningOptions": "Team"}], known=("a",))
    assert current.next_bookmarks == {}
    assert "teams" not in current.memo
