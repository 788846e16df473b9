"""Whatever a vendor sends: pages, rejections and provider errors come of it, and no word of it in a message."""

import datetime as dt
import importlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from integration_pipeline import registry
from integration_pipeline.diff import Change, Diff
from integration_pipeline.errors import ProviderError
from integration_pipeline.http.grant import Grant
from integration_pipeline.http.paging import Rows
from integration_pipeline.model import Connection, Page, SyncType, System
from integration_pipeline.provider import Answer, Listing, Provider, Session
from integration_pipeline.store.spool import row_of
from integration_pipeline.store.staging import TARGETS
from integration_pipeline_tests.providers.wild import MARK, WildApi, bodies

NOW = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
SYSTEMS = list(registry.FOLDERS)


def shapes(provider: Provider) -> list[Any]:
    """Every page and every single thing that a provider's folder reads."""
    pages = importlib.import_module(f"{provider.listings[SyncType.USERS].__module__.rpartition('.')[0]}.pages")
    found: list[Any] = [each._type for each in vars(pages).values() if isinstance(each, Rows)]
    found += [each._type for each in vars(pages).values() if isinstance(each, TypeAdapter)]
    resources = [each.rows._type for each in vars(pages).values() if isinstance(getattr(each, "rows", None), Rows)]
    return found + resources


def session(provider: Provider, api: WildApi) -> Session:
    connection = Connection("tenant-a", provider.system, access_token=SecretStr("token"), options={"directory_id": "d"})
    return Session(connection, api)


def check_message(text: str | None) -> None:
    assert MARK not in (text or ""), text
    assert "\x00" not in (text or "")
    (text or "").encode()


def check_error(error: ProviderError) -> None:
    for text in (str(error), error.remedy, error.code):
        check_message(text)


def check_change(change: Change, sync_type: SyncType) -> None:
    """It can be stored."""
    row = row_of(change)
    assert "\x00" not in row
    row.encode()
    if sync_type is SyncType.NOTIFICATIONS:
        assert "\\u0000" not in change.record.settings
        assert isinstance(json.loads(change.record.settings, parse_constant=pytest.fail), dict)


def feed(diff: Diff, listing: str, page: Page, sync_type: SyncType, *, tells_changes: bool) -> None:
    if tells_changes:
        diff.learn(listing, dict.fromkeys(diff.names(page), 1))
    for change in diff.feed(listing, page):
        check_change(change, sync_type)
    for rejection in diff.rejections:
        check_message(rejection.message)
        assert rejection.key is None or rejection.key.encode()


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("sync_type", SyncType)
@given(data=st.data())
def test_any_answer_becomes_pages_rejections_or_a_provider_error(
    system: System, sync_type: SyncType, data: st.DataObject
) -> None:
    provider = registry.provider(system)
    asked = session(provider, WildApi(provider, data, shapes(provider)))
    diff = Diff({}, by_kind=TARGETS[sync_type].by_kind)
    diff.is_loaded = True
    listings = iter(provider.listings[sync_type](asked))
    while True:
        try:
            listing = next(listings)
        except StopIteration:
            break
        except ProviderError as error:
            check_error(error)
            break
        try:
            for page in listing.pages:
                feed(diff, listing.name, page, sync_type, tells_changes=listing.tells_changes)
        except ProviderError as error:
            check_error(error)
    for warning in asked.warnings:
        check_message(warning)


@pytest.mark.parametrize("system", SYSTEMS)
@given(data=st.data())
def test_a_probe_finds_something_out_or_raises_a_provider_error(system: System, data: st.DataObject) -> None:
    provider = registry.provider(system)
    try:
        found = provider.probe(session(provider, WildApi(provider, data, shapes(provider))))
    except ProviderError as error:
        check_error(error)
    else:
        for missing in found.missing:
            check_message(missing)


@pytest.mark.parametrize("system", SYSTEMS)
@given(body=bodies([Grant]), status=st.sampled_from([200, 200, 200, 302, 400, 401, 403, 429, 500, 503]))
def test_a_token_endpoint_gives_a_token_or_a_provider_error(system: System, body: bytes, status: int) -> None:
    provider = registry.provider(system)
    try:
        token = provider.read_token(Answer(status, {}, body), NOW)
    except ProviderError as error:
        check_error(error)
    else:
        assert token.access_token.get_secret_value()
        assert MARK not in repr(token)


def test_a_listing_named_by_an_id_with_u0000_in_it_can_be_stored() -> None:
    assert Listing("channels:a\x00b", ()).name == "channels:ab"
