"""docs/operations.md: what it tells people to run is run here, and what it says of errors is what the code says."""

import datetime as dt
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from integration_pipeline import cli, errors
from integration_pipeline.errors import Cause, Kind
from integration_pipeline.providers.lineworks import answers as lineworks
from integration_pipeline.providers.slack import answers as slack
from integration_pipeline.providers.teams import auth as teams
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import tables
from integration_pipeline_tests.builders import LINE_WORKS, SLACK
from integration_pipeline_tests.nights import nights
from integration_pipeline_tests.receivers import OPERATIONS

TEXT = OPERATIONS.read_text(encoding="utf-8")
UNITS = sorted((OPERATIONS.parent / "systemd").glob("*"))


def remedies() -> Iterator[tuple[str, str]]:
    """Every code of a provider's that has a remedy of its own."""
    yield from ((f"AADSTS{number}", remedy) for number, remedy in teams._REMEDIES.items())
    yield from ((code, remedy) for code, (_, remedy) in slack._MEANINGS.items() if remedy)
    yield from lineworks._GRANTS.items()
    yield from ((str(int(status)), remedy) for status, remedy in lineworks._REMEDIES.items())


@pytest.mark.parametrize("words", [Kind, Cause])
def test_every_kind_of_error_and_every_cause_of_a_notice_has_its_row(words: type[Kind | Cause]) -> None:
    heading = "What every error means" if words is Kind else "Critical notices"
    section = TEXT[TEXT.index(f"## {heading}") :].partition("\n## ")[0]
    assert set(words) <= set(re.findall(r"^\| `([A-Z_]+)` \| \S", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("code", "remedy"), [pytest.param(*pair, id=f"{number}-{pair[0]}") for number, pair in enumerate(remedies())]
)
def test_every_code_that_a_person_must_mend_has_its_row_with_the_remedy_the_code_gives(code: str, remedy: str) -> None:
    assert [row for row in TEXT.splitlines() if f"`{code}`" in row.partition(" | ")[0] and f"| {remedy} |" in row]


def test_the_remedies_for_all_else_are_there_too() -> None:
    assert errors.RECONNECT in TEXT
    assert teams._LOOK_UP in TEXT


def test_every_command_it_names_is_one() -> None:
    named = re.findall(r"`integration-pipeline ([^`]*)`|^integration-pipeline ([^#\n]*)", TEXT, re.MULTILINE)
    lines = {" ".join((inline or block).split()) for inline, block in named} - {"report"}
    assert len(lines) > 8
    for line in lines:
        arguments = shlex.split(line.replace("…", "x"))
        assert cli.parser().parse_args(arguments).run, line


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_units_command_is_one_and_the_user_is_not_root(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=/opt/integration-pipeline/\.venv/bin/(.*)$", text, re.MULTILINE)
    program, *arguments = command.split()
    if program == "integration-pipeline":
        assert cli.parser().parse_args(arguments).run
    else:
        assert program in {"dagster-webserver", "dagster-daemon"}
    assert "\nUser=integration-pipeline\n" in text


def test_the_unit_that_publishes_writes_yesterday_once_more() -> None:
    text = (OPERATIONS.parent / "systemd/integration-pipeline-publish.service").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=-/bin/sh -c 'exec /\S+/integration-pipeline (.*)'$", text, re.MULTILINE)
    yesterday = "$$(TZ=Asia/Tokyo date --date=yesterday +%%F)"  # as systemd wants dollars and percents to be written
    arguments = cli.parser().parse_args(shlex.split(command.replace(yesterday, "2026-11-20")))
    assert arguments.day == dt.date(2026, 11, 20)


def block(heading: str) -> str:
    """The SQL under a heading."""
    found = re.search(rf"^## {heading}\n.*?```sql\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_removing_a_tenant_leaves_nothing_of_it_and_everything_of_others(environ: Mapping[str, str]) -> None:
    world = build(tenants=2, users=4, channels=1, teams=1, systems=[SLACK, LINE_WORKS], oddities=True)
    with nights(environ, world) as night:
        night.run()
        with psycopg.connect(night.pipeline.database.url, autocommit=True) as session:
            before = counts(session, "tenant-0002")
            session.execute(block("Removing a tenant").replace("tenant-123", "tenant-0001").encode())
            assert set(counts(session, "tenant-0001").values()) == {0}
            assert counts(session, "tenant-0002") == before
        assert before["external_users"] > 0


def counts(session: psycopg.Connection, tenant_id: str) -> dict[str, int]:
    """How many rows of a tenant each table holds."""
    found = {}
    for table in tables.metadata.tables.values():
        assert "tenant_id" in table.columns, table.name
        row = session.execute(
            f"SELECT count(*) FROM {table.name} WHERE tenant_id = %s".encode(), (tenant_id,)
        ).fetchone()
        assert row is not None
        found[table.name] = row[0]
    return found


def test_the_questions_for_monitoring_are_answered(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=2, channels=1, teams=1, systems=[SLACK, LINE_WORKS], oddities=False)) as night:
        night.world.workspace("tenant-0001", LINE_WORKS).access.problem = "invalid_grant"
        with psycopg.connect(night.pipeline.database.url) as session:
            role, stale, untold = filter(str.strip, block("Monitoring").split(";"))
            session.execute(role.encode())
            assert len(session.execute(stale.encode()).fetchall()) == 2
            session.rollback()
            night.run()
            session.execute(role.encode())
            assert [row[:2] for row in session.execute(stale.encode())] == [("tenant-0001", "LINE_WORKS")]
            session.execute(untold.encode())
