"""Whatever a vendor sends: pages, rejections and provider errors come of it, and no word of it in a message."""

import datetime as dt
import importlib
import json
import re
from collections import Counter
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from integration_pipeline import registry
from integration_pipeline.diff import Change, Diff
from integration_pipeline.errors import ProviderError
from integration_pipeline.http.grant import Grant
from integration_pipeline.http.paging import Rows, _as_documented
from integration_pipeline.model import Connection, Page, SyncType, System
from integration_pipeline.provider import Answer, Listing, Provider, Session
from integration_pipeline.store.spool import row_of
from integration_pipeline.store.staging import TARGETS
from integration_pipeline_tests.providers.wild import MARK, WildApi, bodies

NOW = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
SYSTEMS = list(registry.FOLDERS)
DEMANDS = re.compile(r'"(?:min|max|exclusive|pattern|format|multiple|unique|enum|const)[A-Za-z]*": [^,}]+')
"""What a JSON Schema says of a field beyond its type."""


def listings(provider: Provider) -> list[Rows[Any]]:
    """Every listing that a provider's folder reads."""
    found = vars(_pages(provider)).values()
    return [rows for each in found if isinstance(rows := getattr(each, "rows", each), Rows)]


def shapes(provider: Provider) -> list[Any]:
    """Every page and every single thing that a provider's folder reads."""
    things = [each._type for each in vars(_pages(provider)).values() if isinstance(each, TypeAdapter)]
    return [rows._type for rows in listings(provider)] + things


def _pages(provider: Provider) -> ModuleType:
    return importlib.import_module(f"{provider.listings[SyncType.USERS].__module__.rpartition('.')[0]}.pages")


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
def test_what_is_read_the_short_way_is_what_pydantic_reads(system: System, data: st.DataObject) -> None:
    rows = data.draw(st.sampled_from(listings(registry.provider(system))))
    body = data.draw(bodies([rows._type]))
    page = _as_documented(rows._short, body)
    assert page is None or page == rows._page.validate_json(body)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_pydantic_demands_of_a_field_the_short_way_demands_too(system: System) -> None:
    for rows in listings(registry.provider(system)):
        demanded = Counter(DEMANDS.findall(json.dumps(rows._page.json_schema())))
        assert Counter(DEMANDS.findall(json.dumps(msgspec.json.schema(rows._type)))) == demanded
        assert demanded['"minLength": 1'], "every row has an id"


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
