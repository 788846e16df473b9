import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    InvalidResponse,
    NetworkError,
    ProviderError,
    RateLimited,
)
from integration_pipeline.model import Setting, SyncType
from integration_pipeline.provider import Session
from integration_pipeline.providers.lineworks import PROVIDER
from integration_pipeline_tests.providers.canned import CannedApi, answer, as_json, read, records, samples, session

FOLDER = Path(__file__).parent
SAMPLES = samples(FOLDER)
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
TENANT: Mapping[str, Any] = {
    "users": SAMPLES["users"],
    "groups": SAMPLES["groups"],
    "orgunits": SAMPLES["orgunits"],
    "bots": SAMPLES["bots"],
    "bots/2000001": SAMPLES["bot_2000001"],
    "bots/9007199254740993": SAMPLES["bot_9007199254740993"],
}
FOREIGN = answer({"code": "FORBIDDEN", "description": "Forbidden"}, 403)


def tenant(answers: Mapping[str, Any] | None = None, **options: Any) -> tuple[Session, CannedApi]:
    return session(PROVIDER, {**TENANT, **(answers or {})}, options=options)


def users(*keys: str, **more: Any) -> dict[str, Any]:
    return {"users": [{"userId": key, "email": f"{key}@example.com"} for key in keys], **more}


@pytest.mark.parametrize("sync_type", list(SyncType))
def test_the_samples_become_the_expected_records(sync_type: SyncType) -> None:
    current, _ = tenant()
    assert [as_json(record) for record in records(read(PROVIDER, sync_type, current))] == EXPECTED[sync_type]
    assert current.warnings == []


def test_without_domains_the_apps_own_is_read_and_none_is_named() -> None:
    current, api = tenant()
    names = [name for sync_type in SyncType for name in read(PROVIDER, sync_type, current)]
    assert names == ["users", "groups", "orgunits", "bots"]
    assert all("domainId" not in params for _, params in api.asked)


def test_every_domain_is_a_listing_of_its_own() -> None:
    current, api = tenant(domain_ids=[10000001, 10000002])
    names = [name for sync_type in SyncType for name in read(PROVIDER, sync_type, current)]
    assert names == [
        "users:10000001",
        "users:10000002",
        "groups:10000001",
        "orgunits:10000001",
        "groups:10000002",
        "orgunits:10000002",
        "bots",
    ]
    assert [params for path, params in api.asked if path == "users"] == [
        {"domainId": "10000001", "count": "100"},
        {"domainId": "10000002", "count": "100"},
    ]


def test_no_domain_is_the_main_one() -> None:
    current, _ = tenant(domain_ids=[10000001, 10000002])
    for sync_type in (SyncType.USERS, SyncType.TEAMS):
        assert not any(listing.is_main for listing in PROVIDER.listings[sync_type](current))


def test_a_foreign_domain_fails_its_own_listing_only() -> None:
    current, _ = tenant({"users": [FOREIGN, users("u2")]}, domain_ids=[1, 2])
    first, second = PROVIDER.listings[SyncType.USERS](current)
    with pytest.raises(Forbidden, match="FORBIDDEN"):
        list(first.pages)
    assert [record.key for page in second.pages for record in page.records] == ["u2"]


def test_a_cursor_is_sent_as_it_came_with_the_same_arguments() -> None:
    cursor = "JlIBsfJogXpz+DGY8/OscZziqZpYqCAu3RbZba=="
    pages = [users("u1", responseMetaData={"nextCursor": cursor}), users("u2")]
    current, api = tenant({"users": pages}, domain_ids=[1])
    assert [record.key for record in records(read(PROVIDER, SyncType.USERS, current))] == ["u1", "u2"]
    (_, first), (_, second) = api.asked
    assert second == {**first, "cursor": cursor}


@pytest.mark.parametrize(
    "end",
    [
        {},
        {"responseMetaData": None},
        {"responseMetaData": {}},
        {"responseMetaData": {"nextCursor": None}},
        {"responseMetaData": {"nextCursor": ""}},
    ],
)
def test_a_page_without_a_cursor_is_the_last(end: Mapping[str, Any]) -> None:
    current, api = tenant({"users": users("u1", **end)})
    assert len(records(read(PROVIDER, SyncType.USERS, current))) == 1
    assert api.calls == 1


def test_an_empty_page_with_a_cursor_is_not_the_end() -> None:
    current, _ = tenant({"users": [users(responseMetaData={"nextCursor": "next"}), users("u1")]})
    assert len(records(read(PROVIDER, SyncType.USERS, current))) == 1


def test_a_domain_without_anybody_is_an_empty_listing() -> None:
    current, _ = tenant({"users": users()})
    assert records(read(PROVIDER, SyncType.USERS, current)) == []


@pytest.mark.parametrize("body", [{}, {"users": None}, {"code": "FORBIDDEN", "description": "x"}])
def test_a_page_without_its_list_is_unreadable_and_never_empty(body: Any) -> None:
    current, _ = tenant({"users": body})
    with pytest.raises(InvalidResponse):
        read(PROVIDER, SyncType.USERS, current)


def test_a_row_that_cannot_be_read_is_rejected_by_its_id_and_without_its_contents() -> None:
    rows = [{"userId": "u1"}, {"userId": "u2", "isDeleted": "秘密"}, {"email": "x@example.com"}, {"userId": ""}]
    current, _ = tenant({"users": {"users": rows}})
    (page,) = read(PROVIDER, SyncType.USERS, current)["users"]
    assert [record.key for record in page.records] == ["u1"]
    assert [rejected.key for rejected in page.rejected] == ["u2", None, None]
    assert all("秘密" not in rejected.message for rejected in page.rejected)


@pytest.mark.parametrize(("page_size", "count"), [(None, "100"), (10, "10"), (1000, "100")])
def test_pages_are_as_large_as_served_or_as_asked(page_size: int | None, count: str) -> None:
    current, api = tenant(page_size=page_size)
    read(PROVIDER, SyncType.USERS, current)
    assert api.asked == [("users", {"count": count})]


def test_every_bot_is_asked_for_its_details_once() -> None:
    current, api = tenant()
    read(PROVIDER, SyncType.NOTIFICATIONS, current)
    assert api.asked == [("bots", {"count": "100"}), ("bots/2000001", {}), ("bots/9007199254740993", {})]


@pytest.mark.parametrize(("status", "code"), [(404, "NOT_FOUND"), (410, "DELETED")])
def test_a_bot_deleted_since_the_list_was_made_is_gone(status: int, code: str) -> None:
    current, _ = tenant({"bots/2000001": answer({"code": code, "description": "x"}, status)})
    (page,) = read(PROVIDER, SyncType.NOTIFICATIONS, current)["bots"]
    assert [record.key for record in page.records] == ["9007199254740993"]
    assert page.rejected == []


@pytest.mark.parametrize(
    "failure",
    [
        answer({"code": "ACCESS_DENIED", "description": "Access is denied."}, 403),
        answer(b"<html>"),
        answer(b"<html>", 404),
        answer(b"[]"),
        answer(b'{"ok":true}'),
        RateLimited("429"),
        NetworkError("broken"),
    ],
    ids=["denied", "garbled", "a proxy's", "other", "nobody's", "limited", "network"],
)
def test_a_bot_whose_details_cannot_be_read_is_rejected_and_not_gone(failure: Any) -> None:
    current, _ = tenant({"bots/2000001": failure})
    (page,) = read(PROVIDER, SyncType.NOTIFICATIONS, current)["bots"]
    assert [record.key for record in page.records] == ["9007199254740993"]
    assert [(rejected.key, rejected.kind) for rejected in page.rejected] == [("2000001", "BOT")]
    assert "details" in page.rejected[0].message


def test_credentials_that_end_among_the_bots_end_the_connections_work() -> None:
    current, _ = tenant({"bots/2000001": CredentialsError("revoked")})
    with pytest.raises(CredentialsError):
        read(PROVIDER, SyncType.NOTIFICATIONS, current)


def test_large_bot_ids_keep_every_digit() -> None:
    current, _ = tenant()
    found = records(read(PROVIDER, SyncType.NOTIFICATIONS, current))
    assert [record.key for record in found if isinstance(record, Setting)] == ["2000001", "9007199254740993"]


def test_a_list_of_bots_that_is_refused_raises() -> None:
    current, _ = tenant({"bots": FOREIGN})
    with pytest.raises(ProviderError):
        read(PROVIDER, SyncType.NOTIFICATIONS, current)


def test_a_probe_asks_one_row_of_everything_in_every_domain() -> None:
    current, api = tenant(domain_ids=[1, 2])
    found = PROVIDER.probe(current)
    assert list(found.missing) == []
    assert found.workspace == "domain 1, domain 2"
    assert sorted(api.paths) == ["bots", "groups", "groups", "orgunits", "orgunits", "users", "users"]
    assert all(params["count"] == "1" for _, params in api.asked)


def test_a_probe_without_domains_names_the_apps_own() -> None:
    current, _ = tenant()
    assert PROVIDER.probe(current).workspace == "the app's own domain"


def test_a_probe_names_what_is_refused() -> None:
    current, _ = tenant({"groups": FOREIGN, "bots": FOREIGN})
    found = PROVIDER.probe(current)
    missing = "\n".join(found.missing)
    assert "groups:" in missing
    assert "bots:" in missing
    assert "users:" not in missing
    (remedy,) = found.remedies
    assert "tick the app's OAuth scopes user.read, group.read" in remedy


def test_every_operation_has_the_published_limit_and_half_of_it_after_half_an_hour() -> None:
    for operation, limits in PROVIDER.limits.items():
        rates = [(limit.requests, limit.seconds, limit.sustained, limit.sustained_after) for limit in limits]
        assert rates == [(240, 60.0, 120, 1800.0)], operation
    names = [limit.name for limits in PROVIDER.limits.values() for limit in limits]
    assert len(set(names)) == len(names)
