"""Outcomes as text."""

import datetime as dt
from typing import Any

from integration_pipeline.commands.outcomes import Lines, cut_short, summary
from integration_pipeline.model import Counts, Outcome, PlannedChange, Status, SyncType, System

MOMENT = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)


def outcome(**changes: Any) -> Outcome:
    values: dict[str, Any] = {
        "sync_id": None,
        "tenant_id": "tenant-a",
        "system": System("SLACK"),
        "sync_type": SyncType.USERS,
        "started_at": MOMENT,
        "completed_at": MOMENT + dt.timedelta(seconds=1.5),
        "status": Status.SUCCESS,
        "counts": Counts(created=1200, unchanged=3),
        "error_type": None,
        "error_message": None,
        "remedy": None,
        "warnings": (),
        "api_calls": 7,
        "api_calls_minimum": 5,
        "dry_run": False,
        **changes,
    }
    return Outcome(**values)


def test_columns_are_as_wide_as_the_longest_tenant() -> None:
    lines = Lines(["tenant-a", "a-longer-tenant-id"])
    (row,) = lines.of(outcome())
    assert len(row) == len(lines.header())
    assert row.split() == ["tenant-a", "SLACK", "USERS", "SUCCESS", "1,200", "0", "0", "3", "0", "7", "5", "1.5"]


def test_how_few_calls_would_have_done_is_unknown_of_what_failed() -> None:
    (row,) = Lines(["tenant-a"]).of(outcome(status=Status.FAILED, api_calls_minimum=None))
    assert row.split()[-3:] == ["7", "–", "1.5"]


def test_what_went_wrong_and_what_to_do_stand_below() -> None:
    _, *below = Lines(["tenant-a"]).of(
        outcome(
            status=Status.FAILED,
            error_type="AUTH_ERROR",
            error_message="token\nrevoked",
            remedy="Install it again.",
            warnings=("no e-mail scope",),
        )
    )
    assert below == [
        "    AUTH_ERROR: token revoked",
        "    what to do: Install it again.",
        "    note: no e-mail scope",
    ]


def test_a_plan_names_twenty_changes_and_counts_the_others() -> None:
    changes = tuple(PlannedChange("CREATE", "USER", f"U{number}", "\x1bName") for number in range(1000))
    _, *below = Lines(["tenant-a"]).of(outcome(dry_run=True, changes=changes))
    assert below[0] == "    + create user U0  \\x1bName"
    assert len(below) == 21
    assert below[-1] == "    … and 1,180 more"


def test_a_batch_that_was_cut_short_says_what_ended_and_what_becomes_of_the_rest() -> None:
    ended = [outcome(), outcome(status=Status.PARTIAL)]
    assert cut_short(ended, 3, 1203, dry_run=False) == (
        "cut short: 2 syncs ended (1 SUCCESS, 1 PARTIAL), 1 interrupted, 1,200 not begun; "
        "the next run goes on from here"
    )
    assert cut_short([], 1, 1, dry_run=True) == (
        "cut short: 0 syncs ended, 1 interrupted, 0 not begun; a dry run: nothing was written"
    )


def test_the_summary_adds_up() -> None:
    assert summary([outcome(), outcome(status=Status.PARTIAL)], refused=1, seconds=3.21) == (
        "2 syncs: 1 SUCCESS, 1 PARTIAL, 1 connection refused; 2,400 created, 0 updated, 0 deleted, 6 unchanged; "
        "14 API calls, 10 at least, in 3.2 s; expected: not known before a first good night"
    )
