"""Progress: bars for whoever watches, nothing for anybody else, and the results in either case."""

import datetime as dt
import io
import math
from typing import Any

import pytest
from rich.console import Console

from integration_pipeline.commands.bars import LINES, Bars, live
from integration_pipeline.commands.progress import Quiet, display
from integration_pipeline.invocation import Read, Refused, Started, Waiting
from integration_pipeline.model import Connection, Counts, Outcome, Status, SyncType, System
from integration_pipeline_tests.builders import SLACK, connection

MOMENT = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)


def outcome(of: Connection, sync_type: SyncType) -> Outcome:
    return Outcome(
        sync_id=None,
        tenant_id=of.tenant_id,
        system=of.system,
        sync_type=sync_type,
        started_at=MOMENT,
        completed_at=MOMENT,
        status=Status.SUCCESS,
        counts=Counts(),
        error_type=None,
        error_message=None,
        remedy=None,
        warnings=(),
        api_calls=1,
        api_calls_minimum=1,
        dry_run=False,
    )


def bars(*connections: Connection, width: int = 150) -> tuple[Bars, Console]:
    """Bars on a wide terminal that nobody sees; they are drawn when asked."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=50, color_system=None)
    return Bars(live(console), [(one, tuple(SyncType)) for one in connections], lambda _: None), console


def drawn(shown: Bars, console: Console) -> list[str]:
    with console.capture() as capture:
        console.print(shown.progress.get_renderable())
    return [line.strip() for line in capture.get().splitlines()]


def test_a_connection_has_a_line_while_it_is_under_way() -> None:
    one = connection()
    shown, console = bars(one)
    shown.on_event(Started(one, SyncType.USERS))
    shown.on_event(Read(one, SyncType.USERS, 1200))
    assert "tenant-a SLACK users" in drawn(shown, console)[1]
    assert "1,200 read" in drawn(shown, console)[1]
    shown.on_event(Waiting(one, 30.0, "the limit of users.list"))
    assert "waiting 30 s for the limit of users.list " in drawn(shown, console)[1]
    shown.on_event(Waiting(one, math.inf, "another invocation"))
    assert "waiting for another invocation " in drawn(shown, console)[1]
    shown.on_event(Started(one, SyncType.TEAMS))
    assert "waiting" not in drawn(shown, console)[1]


def test_a_line_is_never_drawn_while_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one is a worker's doing, the other the consumer's; rich raises for a line that is gone."""
    one = connection()
    shown, _ = bars(one)
    alone: list[bool] = []
    for name in ("update", "remove_task"):
        done = getattr(shown.progress, name)

        def watched(*arguments: Any, done: Any = done, **named: Any) -> None:
            alone.append(shown._mutex.locked())
            done(*arguments, **named)

        monkeypatch.setattr(shown.progress, name, watched)
    shown.on_event(Started(one, SyncType.USERS))
    for sync_type in SyncType:
        shown.ended(outcome(one, sync_type))
    assert alone == [True, True]


def test_a_narrow_terminal_shows_how_long_in_one_line() -> None:
    one = connection()
    shown, console = bars(one, width=80)
    shown.on_event(Started(one, SyncType.USERS))
    shown.on_event(Waiting(one, 60.0, "the limit api_rate_limit, whose name is long"))
    _, line = drawn(shown, console)
    assert "waiting 60 s for" in line


def test_the_first_line_counts_the_whole_batch_and_lines_end_with_their_connections() -> None:
    one, other = connection(), connection("tenant-b")
    shown, console = bars(one, other)
    shown.on_event(Started(one, SyncType.USERS))
    for sync_type in SyncType:
        shown.ended(outcome(one, sync_type))
    (line,) = drawn(shown, console)
    assert "3/6" in line
    shown.ended(Refused(other.tenant_id, SLACK, "in use"))
    assert "6/6" in drawn(shown, console)[0]


def test_only_so_many_connections_are_shown_and_the_others_move_up() -> None:
    many = [connection(f"tenant-{number:02}", System("SLACK")) for number in range(LINES + 3)]
    shown, console = bars(*many)
    for one in many:
        shown.on_event(Started(one, SyncType.USERS))
    assert len(drawn(shown, console)) == 1 + LINES
    for sync_type in SyncType:
        shown.ended(outcome(many[0], sync_type))
    lines = drawn(shown, console)
    assert len(lines) == 1 + LINES
    assert not any("tenant-00" in line for line in lines)
    assert any(f"tenant-{LINES:02}" in line for line in lines)


def test_a_name_cannot_give_the_terminal_orders() -> None:
    one = connection("evil\x1b[2J[bold]")
    shown, console = bars(one)
    shown.on_event(Started(one, SyncType.USERS))
    assert "evil\\x1b[2J[bold] SLACK" in drawn(shown, console)[1]


def test_nobody_watching_gets_the_results_alone() -> None:
    lines: list[str] = []
    with display([], lines.append, is_watched=False) as shown:
        shown.on_event(Started(connection(), SyncType.USERS))
        shown.line("a result")
    assert isinstance(shown, Quiet)
    assert lines == ["a result"]


def test_somebody_watching_gets_them_too() -> None:
    lines: list[str] = []
    with display([(connection(), tuple(SyncType))], lines.append, is_watched=True) as shown:
        shown.on_event(Started(connection(), SyncType.USERS))
        shown.line("a result")
    assert lines == ["a result"]
