"""A batch's parts are answered, throttled and retried alone."""

from collections.abc import Mapping
from typing import Any

import pytest

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    InvalidResponse,
    NotFound,
    ProviderFault,
    RateLimited,
    TokenRejected,
)
from integration_pipeline.providers.teams.batch import ask, in_batches, url
from integration_pipeline.providers.teams.pages import HEADERS
from integration_pipeline_tests.providers.teams.graph import ATTEMPTS, Canned, FakeApi, Graph, ok, refused

THROTTLED = refused(429, "TooManyRequests", Retry_After="2.128")
BROKEN = refused(503, "ServiceUnavailable")


def asked(api: FakeApi, *names: str, part_headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    urls = {name: url(f"teams/{name}", {"$select": "id"}) for name in names}
    return ask(api, urls, operation="teams", headers=HEADERS, part_headers=part_headers)


def graph(**answers: Canned | list[Canned]) -> Graph:
    return Graph({f"teams/{name}": answer for name, answer in answers.items()})


def test_a_batch_holds_twenty_and_the_rest_goes_into_the_next() -> None:
    assert [len(batch) for batch in in_batches(range(41))] == [20, 20, 1]
    assert list(in_batches([])) == []


def test_a_parts_url_is_readable_and_keeps_its_words_apart() -> None:
    query = {"$filter": "resourceProvisioningOptions/Any(x:x eq 'Team')", "$select": "id,displayName", "x": "a&b"}
    expected = "$filter=resourceProvisioningOptions/Any(x:x%20eq%20'Team')&$select=id,displayName&x=a%26b"
    assert url("groups", query) == f"/groups?{expected}"


def test_answers_in_any_order_find_their_questions() -> None:
    fake = graph(a=ok({"id": "a"}), b=ok({"id": "b"}), c=ok({"id": "c"}))
    fake.is_reversed = True
    assert asked(FakeApi(fake), "a", "b", "c") == {"a": {"id": "a"}, "b": {"id": "b"}, "c": {"id": "c"}}


def test_a_throttled_part_is_asked_again_alone_after_its_own_wait() -> None:
    fake = graph(a=ok({"id": "a"}), b=[THROTTLED, ok({"id": "b"})], c=ok({"id": "c"}))
    api = FakeApi(fake)
    assert asked(api, "a", "b", "c") == {"a": {"id": "a"}, "b": {"id": "b"}, "c": {"id": "c"}}
    assert fake.batches == [["teams/a", "teams/b", "teams/c"], ["teams/b"]]
    assert api.counted == [("teams", 3), ("teams", 1)]
    assert api.waits == [pytest.approx(2.128)]


def test_the_longest_wait_of_all_parts_is_kept() -> None:
    longer = refused(429, Retry_After="30")
    api = FakeApi(graph(a=[THROTTLED, ok({})], b=[longer, ok({})], c=[BROKEN, ok({})]))
    asked(api, "a", "b", "c")
    assert api.waits == [30]


def test_a_wait_given_as_a_date_that_has_passed_is_no_wait() -> None:
    past = refused(429, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")
    api = FakeApi(graph(a=[past, ok({"id": "a"})]))
    assert asked(api, "a") == {"a": {"id": "a"}}
    assert api.waits == [0]


def test_parts_that_never_heal_cost_the_others_nothing() -> None:
    fake = graph(a=ok({"id": "a"}), b=THROTTLED, c=BROKEN)
    answers = asked(FakeApi(fake), "a", "b", "c")
    assert answers["a"] == {"id": "a"}
    assert isinstance(answers["b"], RateLimited)
    assert isinstance(answers["c"], ProviderFault)
    assert len(fake.batches) == ATTEMPTS


def test_what_cannot_heal_is_asked_once() -> None:
    fake = graph(a=refused(403, "Forbidden"), b=refused(404, "NotFound"))
    answers = asked(FakeApi(fake), "a", "b")
    assert [type(answers[part]) for part in ("a", "b")] == [Forbidden, NotFound]
    assert len(fake.batches) == 1


def test_a_batch_that_fails_whole_is_every_parts_answer() -> None:
    fake = graph(a=ok({}), b=ok({}))
    fake.batch_answers = [BROKEN] * ATTEMPTS
    answers = asked(FakeApi(fake), "a", "b")
    assert [type(answer) for answer in answers.values()] == [ProviderFault, ProviderFault]


def test_what_was_answered_before_a_batch_failed_is_kept() -> None:
    fake = graph(a=ok({"id": "a"}), b=THROTTLED)
    fake.batch_answers = [None, refused(400, "BadRequest")]
    answers = asked(FakeApi(fake), "a", "b")
    assert answers["a"] == {"id": "a"}
    assert isinstance(answers["b"], RateLimited)


def test_a_part_that_is_not_answered_is_asked_again() -> None:
    fake = graph(a=ok({"id": "a"}), b=ok({"id": "b"}))
    fake.batch_answers = [ok({"responses": [{"id": "a", "status": 200, "body": {"id": "a"}}]})]
    assert asked(FakeApi(fake), "a", "b") == {"a": {"id": "a"}, "b": {"id": "b"}}
    assert fake.batches[1] == ["teams/b"]


def test_a_part_that_is_never_answered_is_no_empty_one() -> None:
    fake = graph(a=ok({}))
    fake.batch_answers = [ok({"responses": []})] * ATTEMPTS
    assert isinstance(asked(FakeApi(fake), "a")["a"], Garbled)


def test_an_answer_that_is_no_batch_is_no_empty_one() -> None:
    fake = graph(a=ok({}))
    fake.batch_answers = [ok({"value": []})]
    assert isinstance(asked(FakeApi(fake), "a")["a"], InvalidResponse)


def test_a_token_that_ran_out_on_the_way_is_renewed_once() -> None:
    stale = refused(401, "InvalidAuthenticationToken")
    fake = graph(a=ok({"id": "a"}), b=[stale, ok({"id": "b"})])
    api = FakeApi(fake)
    assert asked(api, "a", "b") == {"a": {"id": "a"}, "b": {"id": "b"}}
    assert fake.batches == [["teams/a", "teams/b"], ["teams/b"]]
    assert api.waits == []


def test_a_fresh_token_refused_by_all_parts_ends_the_connection() -> None:
    stale = refused(401, "InvalidAuthenticationToken")
    with pytest.raises(CredentialsError):
        asked(FakeApi(graph(a=stale, b=stale)), "a", "b")


def test_a_fresh_token_refused_by_one_part_is_that_parts_fault() -> None:
    stale = refused(401, "Unauthorized")
    for b in (ok({"id": "b"}), [stale, ok({"id": "b"})]):
        answers = asked(FakeApi(graph(a=stale, b=b)), "a", "b")
        assert isinstance(answers["a"], TokenRejected)
        assert answers["b"] == {"id": "b"}


def test_a_part_carries_its_own_headers() -> None:
    fake = graph(a=ok({}))
    asked(FakeApi(fake), "a", part_headers={"Prefer": "include-unknown-enum-members"})
    assert fake.asked == [("teams/a", {"$select": "id"}, {"Prefer": "include-unknown-enum-members"})]
