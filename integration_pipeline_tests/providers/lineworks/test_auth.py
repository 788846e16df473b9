import datetime as dt
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from pydantic import SecretStr

from integration_pipeline.errors import (
    Cause,
    CredentialsError,
    Garbled,
    InvalidResponse,
    ProviderError,
    ProviderFault,
    RateLimited,
)
from integration_pipeline.model import Connection
from integration_pipeline.providers.lineworks import PROVIDER
from integration_pipeline_tests.providers.canned import answer, samples

SAMPLES = samples(Path(__file__).parent)
NOW = dt.datetime(2026, 11, 21, 6, 0, 0, 500_000, tzinfo=dt.UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACCOUNT = "1wagx.serviceaccount@example.com"


def pem(key: Any = KEY, cipher: KeySerializationEncryption | None = None) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, cipher or NoEncryption())
    return text.decode()


def connection(**changes: Any) -> Connection:
    whole: dict[str, Any] = {
        "client_id": "client",
        "client_secret": SecretStr("s3cret+/="),
        "options": {"service_account": ACCOUNT},
        "secret_options": {"private_key": SecretStr(pem())},
    }
    return Connection("tenant-a", PROVIDER.system, **{**whole, **changes})


def checks(name: str, value: Any) -> str | None:
    (option,) = (option for option in PROVIDER.options if option.name == name)
    return option.check(value)


def test_a_service_account_signs_a_new_assertion() -> None:
    request = PROVIDER.token_request(connection(refresh_token=SecretStr("jp1old")), NOW)
    assert request is not None
    assert request.path == "token"
    assert not request.uses_refresh_token
    assert request.basic_auth is None
    form = dict(request.form)
    claims = jwt.decode(
        form.pop("assertion"),
        KEY.public_key(),
        algorithms=["RS256"],
        options={"verify_exp": False, "verify_iat": False},
    )
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "scope": "user.read group.read orgunit.read bot.read",
        "client_id": "client",
        "client_secret": "s3cret+/=",
    }
    assert (claims["iss"], claims["sub"], claims["iat"]) == ("client", ACCOUNT, int(NOW.timestamp()))
    assert type(claims["iat"]) is type(claims["exp"]) is int
    assert 0 < claims["exp"] - claims["iat"] <= 3600
    assert set(claims) == {"iss", "sub", "iat", "exp"}
    assert "s3cret" not in repr(request)


def test_the_assertion_is_signed_by_rs256() -> None:
    request = PROVIDER.token_request(connection(), NOW)
    assert request is not None
    assert jwt.get_unverified_header(request.form["assertion"]) == {"alg": "RS256", "typ": "JWT"}


def test_without_a_private_key_the_refresh_token_is_used() -> None:
    by_login = connection(options={}, secret_options={}, refresh_token=SecretStr("jp1+/=old"))
    request = PROVIDER.token_request(by_login, NOW)
    assert request is not None
    assert request.uses_refresh_token
    assert request.form == {
        "grant_type": "refresh_token",
        "refresh_token": "jp1+/=old",
        "client_id": "client",
        "client_secret": "s3cret+/=",
    }


def test_with_neither_there_is_only_what_is_stored() -> None:
    assert PROVIDER.token_request(connection(options={}, secret_options={}), NOW) is None
    assert PROVIDER.token_request(connection(client_secret=None), NOW) is None


def test_a_private_key_that_cannot_be_read_needs_a_person_and_is_not_shown() -> None:
    bad = connection(secret_options={"private_key": SecretStr("-----BEGIN himitsu-----")})
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.token_request(bad, NOW)
    assert caught.value.remedy
    assert "himitsu" not in str(caught.value)


@pytest.mark.parametrize("expires_in", ["86400", 86400], ids=repr)
def test_the_life_of_a_token_may_be_text_or_a_number(expires_in: Any) -> None:
    token = PROVIDER.read_token(answer({**SAMPLES["token"], "expires_in": expires_in}), NOW)
    assert token.expires_at == NOW + dt.timedelta(days=1)
    assert token.access_token.get_secret_value() == "jp1AAABF+new/token="
    assert token.refresh_token == SecretStr("jp1AAABN+new/refresh=")


def test_a_refresh_without_rotation_brings_no_refresh_token() -> None:
    body = {name: value for name, value in SAMPLES["token"].items() if name != "refresh_token"}
    assert PROVIDER.read_token(answer(body), NOW).refresh_token is None


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": "invalid_grant", "error_description": "assertion eyJ0eXAi"}, "invalid_grant"),
        (401, {"error": "invalid_client"}, "invalid_client"),
        (400, {"error": "unauthorized_client"}, "unauthorized_client"),
        (200, {"returnCode": "99", "returnMessage": "UnexpectedError"}, "99"),
        (400, {"returnCode": 99, "returnMessage": "UnexpectedError"}, "99"),
        (401, {"code": "UNAUTHORIZED", "description": "x"}, "UNAUTHORIZED"),
        (403, b"<html>", None),
    ],
)
def test_a_refusal_of_either_form_needs_a_person(status: int, body: Any, code: str | None) -> None:
    with pytest.raises(CredentialsError) as caught:
        PROVIDER.read_token(answer(body, status), NOW)
    assert caught.value.code == code
    assert caught.value.remedy
    assert "eyJ0" not in str(caught.value)


def test_a_scope_that_is_not_ticked_is_no_matter_of_the_credentials() -> None:
    for code, cause in (("invalid_scope", Cause.PERMISSION), ("invalid_client", Cause.RECONNECT)):
        with pytest.raises(CredentialsError) as caught:
            PROVIDER.read_token(answer({"error": code}, 400), NOW)
        assert caught.value.cause is cause


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (429, {"code": "TOO_MANY_REQUESTS"}, RateLimited),
        (503, b"<html>", ProviderFault),
        (500, {"returnCode": "99", "returnMessage": "UnexpectedError"}, ProviderFault),
        (200, b"<html>", Garbled),
        (200, {"expires_in": "86400"}, InvalidResponse),
        (200, {"access_token": "jp1himitsu", "expires_in": "soon"}, InvalidResponse),
    ],
)
def test_an_answer_that_is_no_refusal_leaves_the_connection_alone(
    status: int, body: Any, meaning: type[ProviderError]
) -> None:
    with pytest.raises(ProviderError) as caught:
        PROVIDER.read_token(answer(body, status), NOW)
    assert type(caught.value) is meaning
    assert "himitsu" not in str(caught.value)


APP = {"client_id": "client", "client_secret": "s3cret"}


@pytest.mark.parametrize(
    "entry",
    [
        {**APP, "options": {"service_account": ACCOUNT, "private_key": "PEM"}},
        {**APP, "options": {"service_account": ACCOUNT, "private_key": SecretStr("PEM"), "domain_ids": [1]}},
        {**APP, "refresh_token": "jp1"},
    ],
)
def test_a_complete_entry_lacks_nothing(entry: dict[str, Any]) -> None:
    assert PROVIDER.problems(entry) == []


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({**APP}, "service_account"),
        ({**APP, "options": None}, "service_account"),
        ({**APP, "options": {"service_account": ACCOUNT}}, "private_key is missing"),
        ({**APP, "options": {"private_key": "PEM"}, "refresh_token": "jp1"}, "service_account is missing"),
        ({"client_id": "c", "refresh_token": "jp1"}, "client_secret is missing"),
        ({"client_secret": "s", "refresh_token": "jp1"}, "client_id is missing"),
    ],
)
def test_what_an_entry_lacks_is_named(entry: dict[str, Any], word: str) -> None:
    (problem,) = PROVIDER.problems(entry)
    assert word in problem


def test_a_private_key_is_read_when_it_is_imported() -> None:
    assert checks("private_key", pem()) is None
    assert checks("private_key", SecretStr(pem())) is None
    traditional = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    assert checks("private_key", traditional) is None
    assert checks("private_key", pem().replace("\n", "\r\n")) is None


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "",
        "himitsu",
        "秘密",
        pem()[:200],
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(cipher=BestAvailableEncryption(b"passphrase")),
    ],
)
def test_a_private_key_that_cannot_be_read_is_refused_and_not_shown(value: Any) -> None:
    problem = checks("private_key", value)
    assert problem
    assert "himitsu" not in problem


@pytest.mark.parametrize("value", [[10000001], [10000001, 10000002]])
def test_domains_are_numbers(value: Any) -> None:
    assert checks("domain_ids", value) is None


@pytest.mark.parametrize("value", [None, [], "10000001", ["10000001"], [True], [0], [-1], [1.5], [1, 1], [2**63], {}])
def test_what_is_no_list_of_domains_is_refused(value: Any) -> None:
    assert checks("domain_ids", value)


@pytest.mark.parametrize("value", ["", " ", 7, None])
def test_a_service_account_is_a_name(value: Any) -> None:
    assert checks("service_account", value)
    assert checks("service_account", ACCOUNT) is None


def test_only_the_private_key_is_a_secret() -> None:
    assert {option.name for option in PROVIDER.options if option.is_secret} == {"private_key"}
