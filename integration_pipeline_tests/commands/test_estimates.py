"""What is said of a batch's cost, before and after it."""

from integration_pipeline.commands.estimates import after, before
from integration_pipeline.model import Connection, Estimate, SyncType, System
from integration_pipeline_tests.commands.test_outcomes import outcome

SLACK = System("SLACK")
USERS, TEAMS, _ = SyncType


def connection(tenant_id: str) -> Connection:
    return Connection(tenant_id, SLACK)


def test_all_is_said_in_one_line_and_each_connection_below_the_longest_first() -> None:
    work = [(connection(name), (USERS, TEAMS)) for name in ("a", "b", "new")]
    expected = {
        ("a", SLACK): {USERS: Estimate(3, 1.0), TEAMS: Estimate(2, 0.5)},
        ("b", SLACK): {USERS: Estimate(1200, 240.0), TEAMS: Estimate(2, 1.0)},
        ("new", SLACK): {USERS: Estimate(3, 1.0)},
    }
    lines = [line.replace("\u00a0", " ") for line in before(work, expected)]
    assert lines == [
        "expected: 2 connections: 1,207 API calls, 4 min 1 s for the longest; 1 connection: not known before a first good night",
        "  b SLACK: 1,202 calls, 4 min 1 s",
        "  a SLACK: 5 calls, 1.5 s",
        "  new SLACK: not known before a first good night",
    ]


def test_many_connections_are_counted_and_ten_are_named() -> None:
    work = [(connection(f"t{number:02}"), (USERS,)) for number in range(25)]
    lines = list(before(work, {}))
    assert lines[0] == "expected: 25 connections: not known before a first good night"
    assert lines[-1] == "  and 15 more"
    assert len(lines) == 12


def test_a_name_cannot_give_the_terminal_orders() -> None:
    assert "\x1b" not in "".join(before([(connection("\x1b[2J"), (USERS,))], {}))


def test_afterwards_the_sums_stand_beside_what_was_made() -> None:
    done = [
        outcome(estimate=Estimate(3, 30.0)),
        outcome(sync_type=TEAMS, estimate=Estimate(2, 40.0)),
        outcome(tenant_id="b", estimate=Estimate(9, 60.0)),
    ]
    assert after(done).replace("\u00a0", " ") == "expected: 14 calls, 1 min 10 s for the longest connection"
    assert after([*done, outcome()]).endswith("connection, 1 sync not known before a first good night")
    assert after([outcome()]) == "expected: not known before a first good night"
