import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from integration_pipeline.errors import (
    CredentialsError,
    Garbled,
    InvalidResponse,
    ProviderError,
    ProviderFault,
    RateLimited,
)
from integration_pipeline.providers.slack import PROVIDER
from integration_pipeline_tests import builders
from integration_pipeline_tests.providers.canned import answer, samples

SAMPLES = samples(Path(__file__).parent)
NOW = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
ROTATING: dict[str, Any] = {
    "client_id": "111.222",
    "client_secret": SecretStr("s3cret"),
    "refresh_token": SecretStr("xoxe-1-old"),
}


def test_a_token_without_rotation_is_all_there_is() -> None:
    assert PROVIDER.token_request(builders.connection(), NOW) is None


def test_a_refresh_goes_by_basic_auth_and_spends_the_refresh_token() -> None:
    request = PROVIDER.token_request(builders.connection(**ROTATING), NOW)
    assert request is not None
    assert request.path == "oauth.v2.access"
    assert request.form == {"grant_type": "refresh_token", "refresh_token": "xoxe-1-old"}
    assert request.basic_auth == ("111.222", "s3cret")
    assert request.uses_refresh_token
    assert "xoxe" not in repr(request)
    assert "s3cret" not in repr(request)


def test_the_new_pair_lives_twelve_hours_from_now() -> None:
    token = PROVIDER.read_token(answer(SAMPLES["oauth_v2_access"]), NOW)
    assert token.access_token.get_secret_value() == "xoxe.xoxb-1-new"
    assert token.refresh_token == SecretStr("xoxe-1-new")
    assert token.expires_at == NOW + dt.timedelta(hours=12)


def test_a_token_that_never_expires_has_no_end() -> None:
    token = PROVIDER.read_token(answer({"ok": True, "access_token": "xoxb-1"}), NOW)
    assert token.expires_at is None
    assert token.refresh_token is None


@pytest.mark.parametrize("code", ["invalid_refresh_token", "bad_client_secret", "invalid_client_id", "new_reason"])
def test_a_refused_refresh_needs_a_person(code: str) -> None:
    with pytest.raises(CredentialsError, match=code) as caught:
        PROVIDER.read_token(answer({"ok": False, "error": code}), NOW)
    assert caught.value.code == code
    assert caught.value.remedy


def test_a_token_rejected_while_asking_for_one_needs_a_person() -> None:
    with pytest.raises(CredentialsError, match="invalid_auth"):
        PROVIDER.read_token(answer({"ok": False, "error": "invalid_auth"}), NOW)


def test_a_users_token_is_refused() -> None:
    with pytest.raises(CredentialsError, match="user's token"):
        PROVIDER.read_token(answer({**SAMPLES["oauth_v2_access"], "token_type": "user"}), NOW)


@pytest.mark.parametrize(
    ("body", "status", "meaning"),
    [
        ({"ok": False, "error": "ratelimited"}, 200, RateLimited),
        ({"ok": False, "error": "internal_error"}, 200, ProviderFault),
        (b"<html>", 503, ProviderFault),
        (b"<html>", 200, Garbled),
        (b'{"ok":true,"access_token":"xoxe.x', 200, Garbled),
        ({"ok": True}, 200, InvalidResponse),
        ({"ok": True, "access_token": ""}, 200, InvalidResponse),
    ],
)
def test_an_answer_that_is_no_refusal_leaves_the_connection_alone(
    body: Any, status: int, meaning: type[ProviderError]
) -> None:
    with pytest.raises(ProviderError) as caught:
        PROVIDER.read_token(answer(body, status), NOW)
    assert type(caught.value) is meaning
    assert "xoxe" not in str(caught.value)


def test_a_complete_entry_lacks_nothing() -> None:
    assert PROVIDER.problems({"access_token": "xoxb-1"}) == []
    assert PROVIDER.problems({"access_token": SecretStr("xoxb-1"), "options": {}}) == []
    rotating = {"client_id": "1", "client_secret": "s", "access_token": "xoxe.xoxb-1-a", "refresh_token": "xoxe-1-b"}
    assert PROVIDER.problems(rotating) == []
    assert PROVIDER.problems({**rotating, "access_token": None}) == []


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({}, "access_token is missing"),
        ({"access_token": None}, "access_token is missing"),
        ({"access_token": "xoxp-1"}, "user's token"),
        ({"access_token": "xoxe.xoxb-1-a"}, "refresh_token is missing"),
        ({"access_token": "xoxe.xoxb-1-a", "refresh_token": "xoxe-1-b", "client_id": "1"}, "client_secret is missing"),
        ({"access_token": "xoxe.xoxb-1-a", "refresh_token": "xoxe-1-b", "client_secret": "s"}, "client_id is missing"),
    ],
)
def test_what_an_entry_lacks_is_named_and_no_value_is_shown(entry: dict[str, Any], word: str) -> None:
    (problem,) = PROVIDER.problems(entry)
    assert word in problem
    assert "xoxe-1-b" not in problem


def test_tokens_are_renewed_two_hours_before_they_end() -> None:
    assert PROVIDER.refresh_before == dt.timedelta(hours=2)
