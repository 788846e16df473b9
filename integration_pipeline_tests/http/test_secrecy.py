"""What a provider may do with what it was sent: nothing that we would repeat; and whom it is sent to at all."""

import datetime as dt
import http.server
import ipaddress
import math
import ssl
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integration_pipeline.errors import CredentialsError, NetworkError, ProviderError
from integration_pipeline.http.exchange import Exchange, Request
from integration_pipeline.http.status import as_code, as_object
from integration_pipeline.provider import Answer
from integration_pipeline_tests.http.test_client import World

TOKEN = "xoxb-2400000000-canary"
SECRET = "0123456789abcdefcanary"


def refusal(answer: Answer) -> ProviderError | None:
    body = as_object(answer.body) or {}
    code = as_code(body.get("error"))
    return CredentialsError(f"refused: {code}", code=code) if "error" in body else None


def read_token(answer: Answer) -> str:
    error = refusal(answer)
    if error is not None:
        raise error
    return answer.body.decode()


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_a_token_that_is_echoed_as_an_errors_code_is_not_told(status: int) -> None:
    world = World(*[httpx.Response(status, json={"error": TOKEN}) for _ in range(3)], classify=refusal)
    world.tokens = [TOKEN, TOKEN]
    with pytest.raises(ProviderError) as caught:
        world.get()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert TOKEN not in str(vars(caught.value))


def test_a_token_that_is_echoed_among_the_rows_is_not_stored() -> None:
    world = World(httpx.Response(200, json={"name": f"Bearer {TOKEN}"}))
    world.tokens = [TOKEN]
    assert world.get() == {"name": "Bearer (what was sent)"}


@pytest.mark.parametrize("field", ["client_secret", "refresh_token", "assertion"])
@pytest.mark.parametrize("status", [200, 400, 401])
def test_a_form_that_is_echoed_is_not_told(field: str, status: int) -> None:
    world = World(httpx.Response(status, json={"error": SECRET}))
    with pytest.raises(CredentialsError, match="refused: None") as caught:
        world.client.post_form(
            "https://login.test/token",
            read_token,
            form={"grant_type": "refresh_token", field: SECRET},
        )
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_password_that_is_echoed_is_not_told() -> None:
    world = World(httpx.Response(401, json={"error": SECRET}))
    with pytest.raises(CredentialsError) as caught:
        world.client.post_form(
            "https://login.test/token",
            read_token,
            form={},
            basic_auth=("client", SECRET),
        )
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_grant_may_bring_the_same_refresh_token_again() -> None:
    world = World(httpx.Response(200, json={"refresh_token": SECRET}))
    form = {"grant_type": "refresh_token", "refresh_token": SECRET}
    assert SECRET in world.client.post_form("https://login.test/token", read_token, form=form)


# whom it is sent to


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """An https server on loopback that signed its own certificate, and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/users", asked
    server.shutdown()
    thread.join()
    server.server_close()


def self_signed(folder: Path) -> Path:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "stranger.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(pem)
    )
    return path


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_token(
    stranger: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, asked = stranger
    # Neither may the environment vouch for it.
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "stranger.pem"))
    exchange = Exchange(timeout_seconds=60.0)
    request = Request("GET", httpx.URL(url), {"Authorization": f"Bearer {TOKEN}"})
    with pytest.raises(NetworkError, match="certificate verify failed"):
        exchange.send(request, seconds=math.inf)
    exchange.close()
    assert asked == []
