"""The report as text and Markdown: what it says of a day, and that nothing in it is taken for markup or orders."""

import dataclasses
import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import pytest

from integration_pipeline.errors import SpreadsheetGone
from integration_pipeline.providers.slack.answers import add_scope
from integration_pipeline.report.attention import attention
from integration_pipeline.report.days import Known, Moved, Overview
from integration_pipeline.report.integration import Coverage, Report, Sync
from integration_pipeline.report.plain import as_markdown, as_text
from integration_pipeline.report.sentences import japanese
from integration_pipeline.store.spreadsheets import Standing
from integration_pipeline.text import width
from integration_pipeline_tests.report.test_integration import DAY, FAILED, HOLD, SIX, TOLD, sync
from integration_pipeline_tests.report.test_page import FULL, connected, overview


def of(syncs: Sequence[Sync], coverage: Sequence[Coverage] = (), **more: Any) -> Overview:
    """A day without anything to compare it with."""
    return Overview(Report(DAY, syncs, coverage, **more), [], [], {"sakura": "さくら"}, [], SIX)


def section(lines: Sequence[str], title: str) -> list[str]:
    """The lines under a title of a text."""
    below = list(lines)[list(lines).index(title) + 1 :]
    return below[: below.index("")] if "" in below else below


def test_a_day_is_a_row_for_each_connection_and_one_for_all() -> None:
    lines = as_text(of([sync(), sync("TEAMS"), sync(system="TEAMS")]))
    assert lines[0] == "Integration report for 2026-11-21 (Asia/Tokyo)"
    assert lines[1] == "1 tenant, 2 connections, the last sync of each type: 3 succeeded"
    *table, note = section(lines, "Syncs")
    assert note.startswith("This table is of the last sync of each type.")
    rows = [re.split(r" {2,}", line.strip()) for line in table]
    assert rows[0][-3:] == ["API CALLS", "AT LEAST", "TIME"]
    assert rows[1] == ["sakura", "SLACK", "Success", "Success", "off", *["2,000"] * 6, "1,800", "4.0\u00a0s"]
    assert rows[2] == ["sakura", "TEAMS", "Success", "off", "off", *["1,000"] * 6, "900", "2.0\u00a0s"]
    assert rows[3] == ["All", *["3,000"] * 6, "2,700", "6.0\u00a0s"]
    assert len({width(line) for line in table}) == 1


def test_how_few_calls_would_have_done_is_not_said_where_nobody_knows() -> None:
    (row, _, _) = section(as_text(of([sync(**FAILED, api_calls_minimum=None)])), "Syncs")[1:]
    assert row.split()[-3:] == ["–", "2.0", "s"]


def test_who_is_who_is_counted_with_its_share() -> None:
    accounts = [Coverage("sakura", "SLACK", 200, 150, 30, 15, 5), Coverage("x", "T", *[0] * 5)]
    lines = section(as_text(of([sync()], accounts)), "Who is who, as it stands now")
    assert lines[1].split() == ["sakura", "さくら", "SLACK", "200", "150", "75.0%", "30", "15", "5"]
    assert lines[2].split() == ["x", "T", "0", "0", "–", "0", "0", "0"]


def test_what_the_guard_holds_is_named_with_its_number_its_reasons_and_what_to_type() -> None:
    held = of([sync()], holds=[HOLD])
    _, row, note = section(as_text(held), "Holds waiting")
    assert re.split(r" {2,}", row) == [
        *("sakura", "SLACK", "Users", "1,234", "2026-11-21 06:00", "; ".join(HOLD.reasons), str(HOLD.hold_id))
    ]
    assert "integration-pipeline holds show" in note
    marked = "\n".join(as_markdown(held))
    assert "## Holds waiting" in marked
    assert f"1,234 | 2026-11-21 06:00 | {HOLD.reasons[0]}; the listing 'u\\|x' is empty" in marked
    assert "Holds" not in "".join(as_text(of([sync()])) + as_markdown(of([sync()])))


def test_the_days_critical_notices_are_listed_with_whether_anybody_was_told() -> None:
    waits = TOLD._replace(system_type="TEAMS", cause="PERMISSION", delivered_at=None, last_error="a|b is down")
    told = of([sync(**FAILED), sync(system="TEAMS", **FAILED)], notices=[TOLD, waits])
    assert section(as_text(told), "Critical notices") == [
        "- sakura SLACK: The credentials no longer work: connect it again. (told at 06:01 JST)",
        "- sakura TEAMS: Consent or a permission is missing. (nobody told yet)",
        "  a|b is down",
    ]
    assert "## Critical notices" in as_markdown(told)
    assert "notices" not in "".join(as_text(of([sync()])) + as_markdown(of([sync()])))


def test_a_critical_notice_whose_cause_no_longer_stands_is_said_to_be_settled() -> None:
    def said(cause: str, syncs: Sequence[Sync], **more: Any) -> str:
        (line,) = section(as_text(of(syncs, notices=[TOLD._replace(cause=cause)], **more)), "Critical notices")
        return line

    assert said("RECONNECT", [sync(), sync("TEAMS")]).startswith("- sakura SLACK: Settled: The credentials")
    assert said("PERMISSION", [sync(), sync("TEAMS", status=None)]).startswith("- sakura SLACK: Settled: Consent")
    assert said("HELD", [sync()], holds=[HOLD._replace(tenant_id="aozora")]).startswith("- sakura SLACK: Settled: Rem")
    published = Standing("sakura", "S", SIX + dt.timedelta(hours=1), None, None, None, None)
    assert said("SPREADSHEET", [], publications=[published]).startswith("- sakura SLACK: Settled: The spreadsheet")
    stands = [
        said("RECONNECT", [sync(), sync("TEAMS", **FAILED)]),
        said("PERMISSION", [sync(status="PARTIAL")]),
        said("RECONNECT", [sync(api_calls=0)]),
        said("RECONNECT", []),
        said("HELD", [sync()], holds=[HOLD]),
        said("SPREADSHEET", [], publications=[dataclasses.replace(published, last_published_at=SIX)]),
        said("SPREADSHEET", [], publications=[dataclasses.replace(published, last_error_type="AUTH_ERROR")]),
    ]
    assert not [line for line in stands if "Settled" in line]


def test_one_trouble_of_all_types_is_said_once_with_what_to_do() -> None:
    troubled = of([sync(name, **FAILED) for name in ("USERS", "TEAMS")])
    assert len(attention(troubled.report)) == 1
    meaning = "The provider does not let us in: credentials or a permission are missing."
    assert section(as_text(troubled), "What needs attention") == [
        f"- SLACK sakura (Users, Teams): Failed, AUTH_ERROR: {meaning}",
        "  What to do: Install it again.",
        "  Details: token_revoked",
    ]
    assert as_markdown(troubled)[-3:] == [
        f"- **SLACK sakura (Users, Teams)**: Failed, AUTH\\_ERROR: {meaning}",
        "  - What to do: Install it again.",
        "  - Details: token\\_revoked",
    ]


def test_in_japanese_a_remedy_and_what_happened_are_japanese_with_what_they_name() -> None:
    remedy = add_scope("groups:read")
    assert "groups:read を加え" in (japanese(remedy) or "")
    troubled = of([sync(**{**FAILED, "error_message": "Slack answered missing_scope", "remedy": remedy})])
    assert as_text(troubled, lang="ja")[-2:] == [
        f"  対応方法：{japanese(remedy)}",
        "  詳細：Slack の応答：missing_scope",
    ]


@pytest.mark.parametrize("message", ["It cannot be renewed", "It cannot be renewed."])
def test_in_japanese_what_was_stored_of_a_trouble_and_its_remedy_are_sentences(message: str) -> None:
    troubled = of([sync(**{**FAILED, "error_message": message})])
    said = "詳細：It cannot be renewed. Install it again."
    assert as_text(troubled, lang="ja")[-1] == f"  {said}"
    assert as_markdown(troubled, lang="ja")[-1] == f"  - {said}"


@pytest.mark.parametrize(("lang", "said"), [("en", "all syncs of the day"), ("ja", "その日のすべての同期")])
def test_whose_numbers_stand_in_the_table_of_syncs_is_said_in_either_form(lang: str, said: str) -> None:
    for written in (as_text, as_markdown):
        assert said in "\n".join(written(of([sync()]), lang=lang))


@pytest.mark.parametrize(
    ("lang", "meaning", "todo"),
    [
        ("en", "The spreadsheet cannot be opened", "Restore it."),
        ("ja", "スプレッドシートを開けない", "spreadsheets import"),
    ],
)
def test_a_spreadsheet_that_is_gone_is_spoken_of_as_one(lang: str, meaning: str, todo: str) -> None:
    gone = SpreadsheetGone("no such spreadsheet", remedy="Restore it.")
    standing = Standing("sakura", "S", None, SIX, gone.kind, str(gone), gone.remedy)
    lines = "\n".join(as_text(of([sync()], publications=[standing]), lang=lang))
    assert meaning in lines
    assert todo in lines


def test_failures_come_first_and_a_sync_that_did_not_run_is_missed() -> None:
    partial = {"status": "PARTIAL", "error_type": "INCOMPLETE", "error_message": "channels"}
    syncs = [
        sync(warnings=["no e-mail scope"]),
        sync("TEAMS", **partial),
        sync(system="TEAMS", status=None),
        sync("NOTIFICATIONS", **FAILED),
        sync(system="LINE_WORKS", is_running=True, **FAILED),
    ]
    found = attention(Report(DAY, syncs, [Coverage("sakura", "SLACK", 9, 1, 1, 1200, 1)]))
    assert [(item.state, item.message, item.accounts) for item in found] == [
        ("FAILED", "token_revoked", 0),
        ("PARTIAL", "channels", 0),
        ("not run", None, 0),
        ("ambiguous", None, 1200),
        ("warning", "no e-mail scope", 0),
    ]


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "- SLACK sakura (1,200 accounts), minato (1 account): Ambiguous: Some accounts may belong to more"),
        ("ja", "- SLACK sakura（1,200 アカウント）、minato（1 アカウント）: 複数該当：対応する社内ユーザーを"),
    ],
)
def test_accounts_that_may_be_several_peoples_need_a_person_and_are_said_once_for_all_tenants(
    lang: str, said: str
) -> None:
    accounts = [
        Coverage("sakura", "SLACK", 2000, 700, 0, 1200, 100),
        Coverage("minato", "SLACK", 3, 2, 0, 1, 0),
        Coverage("sakura", "TEAMS", 3, 3, 0, 0, 0),
    ]
    assert len(attention(Report(DAY, [sync()], accounts))) == 2
    lines = as_text(of([sync()], accounts), lang=lang)
    (place,) = [number for number, line in enumerate(lines) if line.startswith(said)]
    assert "mappings list --tenant-id … --status ERROR" in lines[place + 2]


def test_what_comes_after_a_sync_that_runs_is_not_missed() -> None:
    running = sync("USERS", status="FAILED", is_running=True)
    assert attention(Report(DAY, [running, sync("TEAMS", status=None)], [])) == []
    assert attention(Report(DAY, [sync("USERS"), sync("TEAMS", status=None)], []))


def test_what_changed_since_the_day_before_is_named() -> None:
    users, teams = sync(**FAILED), sync("TEAMS", **FAILED)
    was = {"USERS": sync(), "TEAMS": sync("TEAMS")}
    moved = {"USERS": Moved(created=12, deleted=3), "TEAMS": Moved(updated=1)}
    shares = {"coverage": Known(0.9, 10), "coverage_before": Known(0.95, 20)}
    day = overview(connected(users, teams, before=was, moved=moved, **shares), connected(sync(system="TEAMS")))
    told = (
        "Users, Teams Success → Failed; Users 12 created, 3 deleted; Teams 1 updated; "
        "Mapping coverage 95.0% → 90.0% ▼ 5.0 points"
    )
    rest = "1 other connection did not change."
    assert section(as_text(day), "What changed since the day before") == [f"- sakura SLACK: {told}", rest]
    marked = as_markdown(day)
    assert f"- **sakura SLACK**: {told}" in marked
    assert rest in marked
    results = ["ユーザー、チーム 成功 → 失敗", "ユーザー 作成 12、無効化 3", "チーム 更新 1"]
    japanese = section(as_text(day, lang="ja"), "前日からの変化")
    assert japanese == [
        "- sakura SLACK: " + "; ".join([*results, "マッピング率 95.0% → 90.0% ▼ 5.0 ポイント"]),
        "ほかの 1 接続に変化はありません。",
    ]


def test_of_a_connection_that_was_not_read_nobody_says_that_nothing_changed() -> None:
    failed, missed = connected(sync(**FAILED)), connected(sync(system="TEAMS", status=None))
    quiet = connected(sync(system="LINE_WORKS"))
    unknown = "Of 2 connections whose syncs did not all succeed, no change is known."
    title = "What changed since the day before"
    assert section(as_text(overview(failed, missed)), title)[-1:] == [unknown]
    assert section(as_text(overview(failed, missed, quiet)), title)[-2:] == [
        unknown,
        "1 other connection did not change.",
    ]
    japanese = section(as_text(overview(failed), lang="ja"), "前日からの変化")
    assert japanese[-1] == "成功しなかった同期がある 1 接続は、変化の有無が分かりません。"


def test_a_quiet_day_needs_nobody() -> None:
    lines = as_text(overview(connected(sync(), moved={"USERS": Moved(runs=1, api_calls=3)})))
    assert section(lines, "What changed since the day before") == ["Nothing changed since the day before."]
    assert section(lines, "What needs attention") == ["Nothing."]
    assert as_markdown(of([sync()]))[-1] == "Nothing."
    assert as_text(of([]))[1] == "No connection is enabled, and nothing was synced."


def test_a_day_before_without_syncs_is_not_compared_with() -> None:
    missed = {"USERS": sync(status=None)}
    assert "there are no results to compare with" in "\n".join(as_text(overview(connected(sync(), before=missed))))


def test_what_the_day_cost_stands_beside_what_was_expected_of_it() -> None:
    moved = Moved(5, api_calls=40, api_calls_minimum=38, seconds=90.0, estimated=5)._replace(api_calls_estimate=39)
    lines = as_text(overview(connected(sync(), moved={"USERS": moved._replace(seconds_estimate=75.0)})))
    assert [line.replace("\u00a0", " ") for line in lines[2:4]] == [
        "40 API calls, 38 at least; 1 min 30 s spent syncing",
        "Expected beforehand: 39 API calls, 1 min 15 s",
    ]
    first = as_text(overview(connected(sync(), moved={"USERS": moved._replace(estimated=3)})))
    assert first[4] == "Not estimated, before a first good night: 2 syncs"
    assert not any("xpected" in line for line in as_text(overview(connected(sync(status=None)))))


def test_all_of_it_is_in_either_language() -> None:
    day = overview(FULL)
    full = dataclasses.replace(day, report=dataclasses.replace(day.report, holds=[HOLD]))
    english = "\n".join(as_text(full) + as_markdown(full)).replace("さくら", "")
    assert not re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", english)
    japanese = as_text(full, lang="ja")
    assert japanese[0] == "2026-11-21 の連携レポート（日本時間）"
    assert len(japanese) == len(as_text(full))
    titles = [japanese[place + 1] for place, line in enumerate(japanese) if not line]
    assert titles == [
        "同期",
        "アカウントの対応状況（現時点）",
        "承認待ちの無効化",
        "前日からの変化",
        "対応が必要な項目",
    ]


@pytest.mark.parametrize("text", ["<script>|`*_[x](http://e.example)", "a|b\n# heading"])
def test_markdown_shows_names_as_they_are(text: str) -> None:
    trouble = sync(tenant_id=text, tenant_name=text, **{**FAILED, "error_message": text})
    lines = as_markdown(overview(connected(trouble, accounts=Coverage(text, "SLACK", *[1] * 5))))
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") in (14, 10) for line in tables)
    assert not any("<script>" in line or line.startswith("# heading") for line in lines)
    assert all("\n" not in line for line in lines)


def test_a_name_cannot_give_the_terminal_orders() -> None:
    day = overview(connected(sync(tenant_id="a\x1b[2J", **FAILED), before={"USERS": sync()}))
    assert not any("\x1b" in line for line in as_text(day) + as_markdown(day))
