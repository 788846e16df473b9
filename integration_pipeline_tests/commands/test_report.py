"""``report``: where it goes, and which day it is of."""

import datetime as dt
from pathlib import Path

import pytest

from integration_pipeline import pipeline
from integration_pipeline.report.integration import TOKYO
from integration_pipeline.store.engine import Database
from integration_pipeline_tests.commands.conftest import Command


def test_the_report_of_today_is_printed_in_either_form(online: Command) -> None:
    online("sync")
    text, markdown = online("report"), online("report", "--format", "markdown")
    assert text.code == markdown.code == 0
    assert "2 tenants, 6 connections, the last sync of each type: 18 succeeded" in text.out
    assert markdown.out.startswith("# Integration report for ")
    assert "前日からの変化" in online("report", "--lang", "ja").out


def test_an_older_day_says_that_it_is_one(online: Command, database: Database) -> None:
    online("sync", "--tenant-id", "tenant-0001")
    with database.transaction("tenant-0001") as cursor:
        cursor.execute(
            "UPDATE external_system_sync_history SET started_at = %s",
            (pipeline.utc_now() - dt.timedelta(days=3),),
        )
        rows = cursor.execute("SELECT max(started_at) FROM external_system_sync_history").fetchall()
    day = rows[0][0].astimezone(TOKYO).date()
    result = online("report")
    assert result.err == f"nothing was synced today; this is {day}\n"
    assert f"Integration report for {day}" in result.out
    assert online("report", "--day", str(day)).out == result.out


def test_the_report_is_written_to_a_file(online: Command, tmp_path: Path) -> None:
    file = tmp_path / "report.md"
    result = online("report", "--format", "markdown", "--out", str(file))
    assert (result.code, result.out) == (0, "")
    assert "It was due and did not run." in file.read_text(encoding="utf-8")


def test_a_file_that_cannot_be_written_is_one_line(online: Command, tmp_path: Path) -> None:
    told = f"integration-pipeline: --out: {tmp_path} cannot be written: Is a directory\n"
    assert online("report", "--out", str(tmp_path)).one_line == told
    assert online("report", "--out", "a\0b").one_line.endswith("cannot be written: it is no path\n")


def test_the_html_report_is_one_file_in_the_language_of_its_tenants(online: Command, tmp_path: Path) -> None:
    online("sync")
    file = tmp_path / "report.html"
    result = online("report", "--format", "html", "--out", str(file))
    assert (result.code, result.out, result.err) == (0, "", f"the report is in {file}\n")
    text = file.read_text(encoding="utf-8")
    assert text.startswith('<!DOCTYPE html>\n<html lang="ja">')
    assert "同期 18 件は、すべて成功しました。" in text
    english = online("report", "--format", "html", "--lang", "en")
    assert "All 18 syncs succeeded." in english.out


@pytest.mark.parametrize("week", [[], ["--week"]])
def test_a_day_that_is_still_to_come_has_no_report(online: Command, week: list[str]) -> None:
    today = pipeline.utc_now().astimezone(TOKYO).date()
    morrow = today + dt.timedelta(days=1)
    result = online("report", *week, "--day", str(morrow))
    assert result.code == 2
    assert f"{morrow} is still to come" in result.one_line
    assert online("report", *week, "--day", str(today)).code == 0


def test_a_week_without_tenants_says_so(command: Command) -> None:
    result = command("report", "--week")
    assert (result.code, result.out) == (0, "")
    assert "no tenants yet" in result.err


def test_only_what_is_written_in_that_way_can_be_asked_for(online: Command) -> None:
    assert "in each tenant's language" in online("report", "--week", "--lang", "ja").one_line
    assert "not written as HTML" in online("report", "--week", "--format", "html").one_line
    assert "'fr' is none of ja, en" in online("report", "--format", "html", "--lang", "fr").one_line
