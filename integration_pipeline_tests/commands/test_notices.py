"""``notices``: what was told, and whether the receiver takes it."""

from collections.abc import Iterator

import pytest

from integration_pipeline.sandbox.world import World
from integration_pipeline_tests.commands.conftest import Command
from integration_pipeline_tests.receivers import SECRET, Receiver, is_genuine, receiver


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def test_a_sync_tells_the_receiver_and_the_list_shows_it(online: Command, world: World, there: Receiver) -> None:
    world.workspace("tenant-0001", "SLACK").access.problem = "account_inactive"
    assert online("sync", "--system-type", "slack", **there.environment).code == 1
    assert there.causes == [("tenant-0001", "SLACK", "RECONNECT")]
    (row,) = online("notices", "list", "--output", "json").rows
    assert (row["notice_id"], row["provider_code"]) == (there.posts[0].notice["notice_id"], "account_inactive")
    assert row["delivered_at"]
    shown = online("notices", "list").out
    assert "tenant-0001  SLACK   RECONNECT" in shown
    assert "not yet" not in shown


def test_the_receiver_can_be_tried_without_anything_having_happened(command: Command, there: Receiver) -> None:
    result = command("notices", "test", **there.environment)
    (post,) = there.posts
    assert (result.code, result.out) == (0, f"the receiver took notice {post.notice['notice_id']}\n")
    assert post.notice["cause"] == "TEST"
    assert is_genuine()(post.headers, post.body, SECRET)
    assert command("notices", "list", "--output", "json").rows == []


def test_a_receiver_that_refuses_is_told_of_without_its_path(command: Command, there: Receiver) -> None:
    there.answers = [(403, {})]
    result = command("notices", "test", **there.environment)
    assert (result.code, result.out) == (1, "")
    assert "not taken: the receiver of notices at 127.0.0.1: status 403" in result.err
    assert "s3cr3t" not in result.err


def test_without_a_receiver_there_is_none_to_try(command: Command) -> None:
    assert "INTEGRATION_PIPELINE_NOTICE_URL is not set" in command("notices", "test").one_line
