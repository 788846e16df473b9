import datetime as dt
from typing import Any

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.defs.lines import BUSY, NEVER, RUNNING, Line
from integration_pipeline.model import Counts, Status, SyncType
from integration_pipeline_tests import builders

SIX = dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC)


def line(**changes: Any) -> Line:
    return Line(
        **{
            "tenant_id": "alpha",
            "system": builders.SLACK,
            "sync_type": SyncType.USERS,
            "status": Status.SUCCESS,
            "counts": Counts(1, 2, 3, 4, 5),
            "started_at": SIX,
            "completed_at": SIX + dt.timedelta(seconds=1.25),
            "api_calls": 7,
            "api_calls_minimum": 5,
            **changes,
        }
    )


def test_a_table_has_a_row_per_system_and_the_reasons_below() -> None:
    held = {"status": Status.PARTIAL, "error_type": "HELD", "error_message": "12 of 40", "remedy": "Look."}
    table = rendering.systems_table([line(), line(system=builders.TEAMS, **held)])
    assert table.splitlines() == [
        "| system | status | processed | created | updated | deleted | unchanged | rejected | API calls | at least | seconds |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| SLACK | SUCCESS | 15 | 1 | 2 | 3 | 4 | 5 | 7 | 5 | 1.2 |",
        "| TEAMS | PARTIAL | 15 | 1 | 2 | 3 | 4 | 5 | 7 | 5 | 1.2 |",
        "",
        "- TEAMS: HELD: 12 of 40. Look.",
    ]


def test_what_nobody_knows_is_a_dash_and_no_empty_cell() -> None:
    failed = line(status=Status.FAILED, api_calls_minimum=None)
    assert rendering.systems_table([failed]).splitlines()[2].endswith("| 7 | – | 1.2 |")


def test_numbers_are_sums_over_the_systems() -> None:
    shown = rendering.metadata([line(), line(system=builders.TEAMS)])
    assert {name: entry.value for name, entry in shown.items() if name != "systems"} == {
        "status": "SUCCESS",
        "systems_due": 2,
        "records_processed": 30,
        "records_created": 2,
        "records_updated": 4,
        "records_deleted": 6,
        "records_unchanged": 8,
        "records_rejected": 10,
        "api_calls": 14,
        "api_calls_minimum": 10,
        "seconds": 2.5,
    }


def test_how_few_calls_would_have_done_is_unknown_where_one_system_did_not_tell() -> None:
    assert "api_calls_minimum" not in rendering.metadata([line(), line(api_calls_minimum=None)])


def test_text_from_outside_stays_in_its_cell() -> None:
    assert rendering.table(["system"], [["a|b\n*c*"]]).splitlines()[2:] == [r"| a\|b \*c\* |"]


def test_warnings_are_listed() -> None:
    shown = rendering.metadata([line(warnings=["no e-mail scope", "slow"])])
    assert shown["warnings"].value == "- SLACK: no e-mail scope\n- SLACK: slow"


def test_the_gravest_status_is_the_tenants() -> None:
    assert rendering.worst([line(), line(status=Status.PARTIAL)]) == "PARTIAL"
    assert rendering.worst([line(status=Status.PARTIAL), line(status=Status.FAILED), line(status=BUSY)]) == "FAILED"
    assert rendering.worst([line(), line(status=RUNNING)]) == RUNNING
    assert rendering.worst([line(status=NEVER), line(status=Status.PARTIAL)]) == NEVER


def test_types_that_failed_for_one_reason_are_one_line() -> None:
    gone = {"status": Status.FAILED, "error_type": "AUTH_ERROR", "error_message": "revoked", "remedy": "Connect again."}
    told = rendering.failures(
        [
            line(**gone),
            line(**gone, sync_type=SyncType.TEAMS),
            line(tenant_id="beta", status=Status.FAILED, error_type="TIMEOUT", error_message="no answer"),
        ]
    )
    assert told == "alpha SLACK USERS, TEAMS: AUTH_ERROR: revoked. Connect again.\nbeta SLACK USERS: TIMEOUT: no answer"


def test_a_long_list_of_failures_ends_in_the_table() -> None:
    lines = [line(tenant_id=f"t{number}", status=Status.FAILED) for number in range(30)]
    assert rendering.failures(lines).splitlines()[-1] == "and 10 more, see the table"
    assert len(rendering.failures_table(lines).records) == 30


def test_a_plan_names_what_would_change() -> None:
    shown = rendering.plan([line(changes=[f"CREATE USER U{number}" for number in range(25)])])
    assert shown["dry_run_status"].value == "SUCCESS"
    assert len(str(shown["dry_run_changes"].value).splitlines()) == 2 + rendering.NAMED
    assert shown["dry_run_changes_named"].value == "20 of 25"


def test_nothing_due_is_said() -> None:
    assert rendering.metadata([])["note"] == dg.MetadataValue.text(rendering.NOTHING_DUE)
