"""The bench in miniature: that it works, and what it counts. How long anything takes is nobody's business here."""

import gzip
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration_pipeline_tests.bench import machine, nights, pages, plot, scaling, targets, tenants
from integration_pipeline_tests.bench.machine import Machine
from integration_pipeline_tests.bench.meter import Cost, Failed, run
from integration_pipeline_tests.bench.pages import Night
from integration_pipeline_tests.bench.results import Line, Results, table
from integration_pipeline_tests.bench.scaling import Fleet, Units
from integration_pipeline_tests.chaos.commands import stopped

USERS = 60
NIGHTS = (Night.FIRST, Night.UNCHANGED)
QUICK = [
    replace(subject, nights=NIGHTS[: len(subject.nights)])
    for subject in nights.SUBJECTS
    if not subject.name.startswith("dlt")
]


@pytest.fixture(scope="module")
def ready() -> Iterator[Machine]:
    with machine.started() as ready:
        yield ready


@pytest.fixture(scope="module")
def measured(ready: Machine) -> Results:
    results = Results(say=lambda _: None)
    nights.measure(ready, results, USERS, subjects=QUICK)
    tenants.measure(ready, results, (1, 2), users=USERS, subjects=("product",), latency_tenants=2)
    return results


def test_everybody_asks_once_for_the_page_and_the_product_also_who_it_is(measured: Results) -> None:
    calls = {line.subject: line.cost.calls for line in measured.lines if line.case == nights.CASE and line.cost}

    assert calls == {"download": 1, "copied": 1, "floor": 1, "product": 3, "rowwise": 1}


def test_the_loop_sends_two_statements_for_each_user_and_the_product_the_same_for_any_number(measured: Results) -> None:
    loop = measured.cost(nights.CASE, "rowwise", Night.UNCHANGED, users=USERS)
    product = measured.cost(nights.CASE, "product", Night.UNCHANGED, users=USERS)

    assert loop is not None
    assert product is not None
    assert loop.statements > 1.5 * USERS
    assert product.statements < 60


def test_an_unchanged_night_writes_next_to_nothing(measured: Results) -> None:
    first, quiet = (measured.cost(nights.CASE, "floor", each, users=USERS) for each in (Night.FIRST, Night.UNCHANGED))

    assert first is not None
    assert quiet is not None
    assert quiet.wal_mb < first.wal_mb / 10


def test_one_in_a_hundred_changes_and_then_one_in_a_hundred_leaves() -> None:
    first, changed, left = (_names(pages.recorded(300, 100, directory)) for directory in pages.DIRECTORIES)

    assert len(first) == 300
    assert first.keys() == changed.keys()
    assert sum(first[key] != changed[key] for key in first) > 0
    assert left.keys() < changed.keys()
    assert all(changed[key] == name for key, name in left.items())


def _names(recording: pages.Recording) -> dict[str, str]:
    """Of everybody on all pages."""
    answers = [json.loads(gzip.decompress(body)) for (method, _), body in recording.items() if method == "users.list"]
    assert len(answers) == 3
    return {member["id"]: member["profile"]["real_name"] for answer in answers for member in answer["members"]}


def test_the_tables_have_every_line_and_the_targets_say_what_was_not_measured(measured: Results) -> None:
    assert len(list(nights.shown(measured))) == 2 + sum(line.case == nights.CASE for line in measured.lines)
    assert len(list(tenants.shown(measured))) == 2 + sum(line.case != nights.CASE for line in measured.lines)
    shown = list(targets.shown(measured))
    assert len(shown) == 2 + len(targets.TARGETS)
    assert all("not in this run" in line for line in shown if line.startswith("| P1 "))


def test_what_was_measured_in_part_is_not_said_to_be_met() -> None:
    results = Results(say=lambda _: None)
    results.word("fault: the first of them", "survived: exit code 1, 5 of 5 users active")
    cost = Cost(wall=1, client_cpu=1, server_cpu=0, wal_mb=0, statements=9, peak_mb=80)
    for night in Night:
        results.add(Line(nights.CASE, "product", night, targets.LARGE, cost=cost))
    verdicts = {target.name: target.judge(results) for target in targets.TARGETS}

    assert verdicts["P13"] == ("1 of 5 survived", False)
    assert verdicts["P6"] == ("80 MB at 100,000; the rest not in this run", None)


def test_the_plot_is_a_picture_with_a_bar_for_each(measured: Results) -> None:
    bars = re.findall(r'<rect x="250"', plot.drawn(measured, USERS))

    assert len(bars) == sum(len(subject.nights) for subject in QUICK)


def test_a_process_that_fails_is_not_taken_for_a_quick_one(ready: Machine) -> None:
    with pytest.raises(Failed, match="exited with 2"):
        run(ready, "", nights.command(ready, "nobody", "", "", ""))


def test_a_bench_that_is_stopped_leaves_no_process_and_no_file_behind() -> None:
    command = [sys.executable, "-m", "integration_pipeline_tests.bench", "--cases", "nights", "--users", "300000"]
    ended, left = stopped(command, helper="bench.server")
    assert (ended.returncode, left) == (1, [])
    assert "it was stopped" in ended.stderr


def test_runs_side_by_side_end_when_the_last_lane_does() -> None:
    assert scaling.makespan([3, 1, 1, 1], lanes=2) == 3
    assert scaling.makespan([1, 1, 1, 3], lanes=2) == 4
    assert scaling.makespan([3, 1, 1, 1], lanes=1) == 6


def test_a_fleets_night_is_as_long_as_its_longest_part() -> None:
    costs = Units(
        run=2, tenant_client=1, tenant_server=0.5, user_client=0, user_server=0, tenant_calls=5, tenant_stored_kb=2
    )

    even = scaling.night(costs, Fleet("500 alike", [10] * 500), lanes=(1, 2))
    assert (even.runs, even.calls, even.stored_mb) == (2, 3000, 1)
    assert even.cpu_hours == pytest.approx((2 * 2 + 500 * 1.5) / 3600)
    assert even.hours == pytest.approx([504 / 3600, 252 / 3600])
    uneven = scaling.night(costs, Fleet("one large", [10] * 499 + [200_000]), lanes=(2,))
    assert uneven.slowest_minutes == 9
    assert uneven.hours == pytest.approx([542 / 3600])


def test_uneven_tenants_have_as_many_users_as_they_should() -> None:
    sizes = scaling.uneven(1000, 100_000)

    assert len(sizes) == 1000
    assert sum(sizes) == pytest.approx(100_000, rel=0.01)
    assert max(sizes) > 10_000


def test_a_table_is_aligned_also_in_japanese() -> None:
    assert list(table(("名前", "n"), [("あ", "1"), ("bcdef", "22")])) == [
        "| 名前  |  n |",
        "| ----- | -: |",
        "| あ    |  1 |",
        "| bcdef | 22 |",
    ]
