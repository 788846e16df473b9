import json

import pytest

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    InvalidResponse,
    Kind,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.providers.slack import answers
from integration_pipeline.providers.slack.answers import classify
from integration_pipeline_tests.providers.canned import answer


def refused(code: str, status: int = 200, **more: str) -> ProviderError:
    error = classify(answer({"ok": False, "error": code, **more}, status))
    assert error is not None
    assert error.status == status
    return error


@pytest.mark.parametrize("body", [b'{"ok":true,"members":[]}', b'{ "ok": true }', b'{"members":[],"ok":true}'])
def test_ok_is_fine_wherever_it_stands(body: bytes) -> None:
    assert classify(answer(body)) is None


def test_a_page_that_begins_with_ok_is_not_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "as_object", None)
    assert classify(answer(b'{"ok":true,"members":[')) is None


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("internal_error", ProviderFault),
        ("fatal_error", ProviderFault),
        ("service_unavailable", ProviderFault),
        ("request_timeout", TimedOut),
        ("ratelimited", RateLimited),
        ("rate_limited", RateLimited),
        ("token_expired", TokenRejected),
        ("token_revoked", TokenRejected),
        ("invalid_auth", TokenRejected),
        ("account_inactive", CredentialsError),
        ("not_authed", CredentialsError),
        ("not_allowed_token_type", CredentialsError),
        ("invalid_refresh_token", CredentialsError),
        ("accesslimited", Forbidden),
        ("enterprise_is_restricted", Forbidden),
        ("no_permission", Forbidden),
        ("plan_upgrade_required", Forbidden),
        ("bot_not_found", NotFound),
        ("team_added_to_org", ProviderError),
        ("limit_required", ProviderError),
        ("something_new", ProviderError),
    ],
)
def test_a_code_in_an_answer_of_200_means_what_slack_says(code: str, meaning: type[ProviderError]) -> None:
    error = refused(code)
    assert type(error) is meaning
    assert error.code == code
    assert code in str(error)


@pytest.mark.parametrize("status", [200, 429, 503])
@pytest.mark.parametrize("code", ["ratelimited", "rate_limited"])
def test_a_rate_limit_is_one_at_any_status_and_lasts_a_minute_where_nothing_is_said(code: str, status: int) -> None:
    error = refused(code, status)
    assert type(error) is RateLimited
    assert error.retry_after_seconds == 60


def test_429_without_a_body_is_a_rate_limit() -> None:
    assert type(classify(answer(b"", 429))) is RateLimited


@pytest.mark.parametrize("status", [500, 502, 503])
def test_an_html_page_in_trouble_is_slacks_fault(status: int) -> None:
    assert type(classify(answer(b"<!DOCTYPE html><title>Slack</title>", status))) is ProviderFault


def test_an_html_page_in_peace_cannot_be_read_but_the_next_answer_may_be() -> None:
    assert type(classify(answer(b"<html>Sign in to the hotel's network</html>"))) is Garbled


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"ok": "yes"}', b'{"ok": false}', b'{"ok": false, "error": 7}'])
def test_an_answer_without_ok_and_reason_is_never_an_empty_one(body: bytes) -> None:
    error = classify(answer(body))
    assert isinstance(error, InvalidResponse)


@pytest.mark.parametrize("status", [302, 400, 403, 404])
def test_a_page_of_somebody_elses_is_no_answer(status: int) -> None:
    assert type(classify(answer(b"nothing here", status))) is InvalidResponse


def test_a_bare_401_may_be_cured_by_a_fresh_token() -> None:
    assert type(classify(answer(b"", 401))) is TokenRejected


def test_a_missing_scope_is_named_with_what_to_do() -> None:
    error = refused("missing_scope", needed="groups:read", provided="channels:read")
    assert type(error) is Forbidden
    assert "groups:read" in str(error)
    assert "groups:read" in str(error.remedy)


def test_a_scope_that_is_no_scope_is_not_repeated() -> None:
    error = refused("missing_scope", needed="<script>xoxb-secret</script>")
    assert "script" not in f"{error} {error.remedy}"


def test_a_code_that_is_no_code_is_not_repeated() -> None:
    error = classify(answer({"ok": False, "error": "the token xoxb-1 is bad"}))
    assert isinstance(error, InvalidResponse)
    assert "xoxb" not in str(error)


def test_a_page_nested_too_deep_is_garbled() -> None:
    assert type(classify(answer(b"[" * 100_000))) is Garbled


@pytest.mark.parametrize("code", ["token_revoked", "invalid_auth", "account_inactive", "not_authed", "accesslimited"])
def test_who_must_act_is_told_how(code: str) -> None:
    assert refused(code).remedy


def test_an_error_after_other_keys_is_still_an_error() -> None:
    body = json.dumps({"error": "invalid_auth", "warning": "superfluous_charset", "ok": False}).encode()
    assert type(classify(answer(body))) is TokenRejected


def test_whatever_a_person_must_mend_says_who_does_what_where() -> None:
    person = {code: remedy for code, (meaning, remedy) in answers._MEANINGS.items() if meaning.kind is Kind.AUTH_ERROR}
    assert len(person) > 15
    places = ("api.slack.com/apps", "Manage apps", "Bot User OAuth Token", "Basic Information", "owner")
    assert [code for code, remedy in person.items() if not any(place in (remedy or "") for place in places)] == []
