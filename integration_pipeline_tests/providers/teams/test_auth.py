"""A token by client credentials: what is sent, what comes back, and what a refusal asks of a person."""

import datetime as dt
import json
from typing import Any

import pytest
from pydantic import SecretStr

from integration_pipeline.errors import Cause, CredentialsError, Garbled, InvalidResponse, ProviderFault, RateLimited
from integration_pipeline.model import Connection, System
from integration_pipeline.provider import Answer
from integration_pipeline.providers.teams import PROVIDER, auth

NOW = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)
DIRECTORY = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
CONNECTION = Connection(
    "tenant-a",
    System("TEAMS"),
    client_id="client",
    client_secret=SecretStr("s3cr~t/+"),
    options={"directory_id": DIRECTORY},
)


def answer(status: int, body: Any) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def refusal(*numbers: int, status: int = 400, error: str = "invalid_client") -> Answer:
    described = f"AADSTS{numbers[0] if numbers else 0}: about tenant {DIRECTORY}\r\nTrace ID: x"
    return answer(status, {"error": error, "error_description": described, "error_codes": list(numbers)})


def test_a_token_is_asked_for_at_the_tenants_own_directory_without_any_stored_token() -> None:
    request = PROVIDER.token_request(CONNECTION, NOW)
    assert request is not None
    assert request.path == f"{DIRECTORY}/oauth2/v2.0/token"
    assert request.form == {
        "grant_type": "client_credentials",
        "client_id": "client",
        "client_secret": "s3cr~t/+",
        "scope": "https://graph.microsoft.com/.default",
    }
    assert not request.uses_refresh_token
    assert "s3cr" not in repr(request)


def test_a_directory_id_cannot_lead_to_another_path() -> None:
    connection = Connection(
        "t", System("TEAMS"), client_id="c", client_secret=SecretStr("s"), options={"directory_id": "../evil?x"}
    )
    request = PROVIDER.token_request(connection, NOW)
    assert request is not None
    assert request.path == "..%2Fevil%3Fx/oauth2/v2.0/token"


def test_an_incomplete_connection_has_no_token_to_ask_for() -> None:
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.token_request(Connection("t", System("TEAMS"), client_id="c"), NOW)
    assert caught.value.remedy


def test_a_token_lives_from_now_and_comes_without_a_refresh_token() -> None:
    body = {"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "eyJ0"}
    token = PROVIDER.read_token(answer(200, body), NOW)
    assert token.access_token.get_secret_value() == "eyJ0"
    assert token.refresh_token is None
    assert token.expires_at == NOW + dt.timedelta(seconds=3599)


@pytest.mark.parametrize("body", [{"expires_in": 3599}, {"access_token": "", "expires_in": 1}, []])
def test_a_success_without_a_token_is_no_token(body: Any) -> None:
    with pytest.raises(InvalidResponse):
        PROVIDER.read_token(answer(200, body), NOW)


def test_a_proxys_page_is_no_refusal() -> None:
    for status in (200, 400):
        with pytest.raises(Garbled):
            PROVIDER.read_token(Answer(status, {}, b"<html>"), NOW)


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        (7000215, 401, "secret is wrong"),
        (7000222, 401, "secret has expired"),
        (700016, 400, "does not know the application"),
        (65001, 400, "consent"),
        (90002, 400, "no such tenant"),
        (1234567, 400, "https://login.microsoftonline.com/error"),
    ],
)
def test_a_refusal_names_its_number_and_what_to_do(number: int, status: int, words: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.read_token(refusal(number, status=status), NOW)
    assert caught.value.code == f"AADSTS{number}"
    assert caught.value.status == status
    assert caught.value.remedy
    assert words in caught.value.remedy
    assert DIRECTORY not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (65001, Cause.PERMISSION),
        (700016, Cause.PERMISSION),
        (7000229, Cause.PERMISSION),
        (7000112, Cause.PERMISSION),
        (53003, Cause.PERMISSION),
        (7000222, Cause.RECONNECT),
        (90002, Cause.RECONNECT),
        (1234567, Cause.RECONNECT),
    ],
)
def test_a_tenant_that_does_not_let_the_application_in_is_another_matter_than_wrong_credentials(
    number: int, cause: Cause
) -> None:
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.read_token(refusal(number), NOW)
    assert caught.value.cause is cause


def test_a_refusal_without_numbers_is_named_by_its_oauth_error() -> None:
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.read_token(refusal(error="unauthorized_client"), NOW)
    assert caught.value.code == "unauthorized_client"


def test_what_passes_by_itself_is_retried() -> None:
    with pytest.raises(RateLimited):
        PROVIDER.read_token(refusal(50196), NOW)
    with pytest.raises(ProviderFault):
        PROVIDER.read_token(refusal(90033), NOW)
    with pytest.raises(ProviderFault):
        PROVIDER.read_token(refusal(error="temporarily_unavailable"), NOW)
    with pytest.raises(ProviderFault):
        PROVIDER.read_token(Answer(503, {}, b"<html>"), NOW)
    with pytest.raises(RateLimited):
        PROVIDER.read_token(answer(429, {}), NOW)


def test_an_import_entry_says_all_that_it_lacks() -> None:
    assert auth.problems({}) == [
        "client_id is missing",
        "client_secret is missing",
        "options.directory_id is missing",
    ]
    assert auth.problems({"client_id": "c", "client_secret": "s", "options": {"directory_id": DIRECTORY}}) == []
    assert auth.problems({"client_id": "c", "client_secret": SecretStr("s"), "options": None}) == [
        "options.directory_id is missing"
    ]


@pytest.mark.parametrize("value", [DIRECTORY, "contoso.onmicrosoft.com", "directory-1"])
def test_a_directory_is_named_by_id_or_domain(value: str) -> None:
    (option,) = PROVIDER.options
    assert option.check(value) is None


@pytest.mark.parametrize("value", ["", "common", "Organizations", "a/b", "a?b", 5, None, "-x"])
def test_a_directory_that_names_no_single_tenant_is_refused(value: Any) -> None:
    (option,) = PROVIDER.options
    assert option.check(value)
