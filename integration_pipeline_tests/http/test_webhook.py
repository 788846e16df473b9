"""The webhook of critical notices over loopback: what is sent, what is tried again, and what a message may hold."""

import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID

import pytest

from integration_pipeline.errors import Interrupted, InvalidResponse, NetworkError, ProviderError, ProviderFault
from integration_pipeline.http.webhook import ATTEMPTS, Webhook
from integration_pipeline.notices import Told
from integration_pipeline_tests.nights import Time
from integration_pipeline_tests.receivers import SECRET, Receiver, is_genuine, receiver

AT = dt.datetime(2026, 11, 20, 21, 0, 7, tzinfo=dt.UTC)
TOLD = Told(
    notice_id=UUID("019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"),
    tenant_id="桜",
    system_type="SLACK",
    day=AT.date(),
    cause="RECONNECT",
    message="Slack answered token_revoked",
    remedy="Install the app again.",
    provider_code="token_revoked",
    commands=["integration-pipeline connections import FILE.json"],
    created_at=AT,
    delivered_at=None,
    tries=1,
    last_error=None,
)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def webhook(url: str, clock: Time, **changes: Any) -> Webhook:
    parts = {"now": lambda: dt.datetime.now(dt.UTC), "wait_for": clock.wait_for, **changes}
    return Webhook(url, SECRET, clock=clock, **parts)


def post(url: str, clock: Time | None = None, **changes: Any) -> None:
    with closing(webhook(url, clock or Time(), **changes)) as hook:
        hook(TOLD)


def test_a_notice_is_posted_once_with_all_that_a_person_needs(there: Receiver) -> None:
    post(there.url)
    (got,) = there.posts
    assert got.notice == {
        "version": 1,
        "type": "critical_notice",
        "notice_id": "019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d",
        "tenant_id": "桜",
        "system": "SLACK",
        "cause": "RECONNECT",
        "message": "Slack answered token_revoked",
        "remedy": "Install the app again.",
        "provider_code": "token_revoked",
        "commands": ["integration-pipeline connections import FILE.json"],
        "day": "2026-11-20",
        "created_at": "2026-11-20T21:00:07Z",
    }
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Integration-Pipeline-Notice"] == "019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"


def test_the_documented_receiver_accepts_what_is_genuine_and_nothing_else(there: Receiver) -> None:
    post(there.url)
    headers, body = there.posts[0]
    check = is_genuine()
    assert check(headers, body, SECRET)
    assert not check(headers, body.replace(b"SLACK", b"TEAMS"), SECRET)
    assert not check(headers, body, "another secret, not shared")
    later = str(int(time.time()) + 1)
    assert not check({**headers, "Integration-Pipeline-Timestamp": later}, body, SECRET)
    assert not check({}, body, SECRET)
    assert not check({**headers, "Integration-Pipeline-Signature": "v1=é"}, body, SECRET)


def test_the_documented_receiver_refuses_an_old_notice_that_is_sent_again(there: Receiver) -> None:
    old = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=6)
    post(there.url, now=lambda: old)
    assert not is_genuine()(*there.posts[0], SECRET)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_receiver_that_cannot_take_it_now_is_asked_again(there: Receiver, status: int) -> None:
    there.answers = [(status, {"Retry-After": "7"})]
    clock = Time()
    post(there.url, clock)
    assert [got.notice["notice_id"] for got in there.posts] == 2 * [str(TOLD.notice_id)]
    assert clock.waited == [7.0]


def test_it_is_not_tried_for_ever(there: Receiver) -> None:
    there.is_down = True
    with pytest.raises(ProviderFault):
        post(there.url)
    assert len(there.posts) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_receiver_that_refuses_it_is_not_asked_again(there: Receiver, status: int) -> None:
    there.answers = [(status, {})]
    with pytest.raises(ProviderError) as caught:
        post(there.url)
    assert not caught.value.is_retryable
    assert len(there.posts) == 1


def test_a_redirect_is_not_followed(there: Receiver) -> None:
    there.answers = [(307, {"Location": there.url})]
    with pytest.raises(InvalidResponse, match="redirect"):
        post(there.url)
    assert len(there.posts) == 1


def test_a_message_names_the_host_and_neither_path_nor_query_nor_secret(there: Receiver) -> None:
    there.answers = [(400, {})]
    with pytest.raises(ProviderError) as refused:
        post(there.url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        gone = Receiver(taken.getsockname()[1])
        with pytest.raises(NetworkError) as silent:
            post(gone.url)
    for error in (refused.value, silent.value):
        assert "the receiver of notices at 127.0.0.1" in str(error)
        assert "s3cr3t" not in str(error)
        assert SECRET not in str(error)


def test_closing_ends_the_wait_for_the_next_try(there: Receiver) -> None:
    there.is_down = True

    def closed_meanwhile(closed: threading.Event, _seconds: float) -> bool:
        hook.close()
        return closed.is_set()

    hook = webhook(there.url, Time(), wait_for=closed_meanwhile)
    with pytest.raises(Interrupted):
        hook(TOLD)
    assert len(there.posts) == 1
    with pytest.raises(Interrupted):
        hook(TOLD)
    assert len(there.posts) == 1
