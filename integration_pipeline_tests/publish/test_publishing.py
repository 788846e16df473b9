"""Publishing, whole: a real database, a real HTTP client, a spreadsheet that answers, fails and is changed by people."""

import datetime as dt
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from integration_pipeline import kpi
from integration_pipeline.errors import UsageError
from integration_pipeline.http.exchange import Exchange
from integration_pipeline.http.exchange import Request as HTTPRequest
from integration_pipeline.model import Status
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline.provider import Answer
from integration_pipeline.publish import publishing
from integration_pipeline.publish.layout import INTEGRATION_SHEET, TRACKING_CHART, TRACKING_SHEET, layouts
from integration_pipeline.publish.publishing import Published, Request
from integration_pipeline.publish.sandbox import showing, updates
from integration_pipeline.sandbox.plan import TenantPlan, WorldPlan
from integration_pipeline.sandbox.world import World, build
from integration_pipeline.store import notices, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks, Purpose
from integration_pipeline.store.people import Tenant
from integration_pipeline_tests import builders
from integration_pipeline_tests.publish.morning import NOON, TENANT, TODAY, Morning, morning

TRACKING, INTEGRATION = "KPI Tracking", "Integration KPIs"
MONTH = {"first": TODAY - dt.timedelta(days=29), "last": TODAY}
UNREACHED = ("lose_reply", "reset", "reset_in_body", "truncate", "html")


def before(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


@pytest.fixture
def m(environ: Mapping[str, str]) -> Iterator[Morning]:
    with morning(environ) as found:
        yield found


@pytest.fixture
def three(environ: Mapping[str, str]) -> Iterator[Morning]:
    world = build(tenants=3, users=1, channels=0, teams=0, oddities=False, limits=True)
    with morning(environ, world) as found:
        yield found


def change(m: Morning, *requests: dict[str, Any]) -> None:
    """What a person does to the spreadsheet."""
    updates.apply(m.book(), list(requests))


def dates(m: Morning, title: str = TRACKING) -> list[str]:
    return m.column(title, "Date")


def told(m: Morning) -> list[tuple[Any, ...]]:
    """The notices of what only a person can mend."""
    with m.pipeline.database.operator() as cursor:
        return cursor.execute("SELECT tenant_id, system_type, cause, message, remedy FROM critical_notices").fetchall()


# One row a day


def test_a_days_row_is_on_both_sheets_typed(m: Morning) -> None:
    m.know(TODAY, overall_progress=82.5, quality_score=4.25, blockers_count=0)
    assert m.well()[TENANT].rows_written == 1
    assert dates(m) == dates(m, INTEGRATION) == ["2026-11-21"]
    row = m.book().sheet(TRACKING).cells
    assert row[1, 0]["userEnteredValue"] == {"numberValue": 46347}
    assert row[1, 0]["userEnteredFormat"]["numberFormat"] == {"type": "DATE", "pattern": "yyyy-mm-dd"}
    assert row[1, 1]["userEnteredValue"] == {"numberValue": 82.5}
    assert row[1, 5]["userEnteredValue"] == {"numberValue": 0}
    header = m.book().table(TRACKING)[0]
    assert header[:8] == [
        "Date", "Overall Progress", "Task Completion Rate", "Quality Score", "Team Satisfaction", "Blockers Count",
        "Code Review Time", "Deploy Success Rate",
    ]  # fmt: skip


def test_a_missing_kpi_is_an_empty_cell(m: Morning) -> None:
    m.know(TODAY, overall_progress=None, quality_score=4)
    m.well()
    assert (1, 1) not in m.book().sheet(TRACKING).cells
    assert m.book().sheet(TRACKING).value(1, 1) is None
    m.know(TODAY, quality_score=None, overall_progress=50)
    m.well()
    assert m.column(TRACKING, "Quality Score") == [""]
    assert m.column(TRACKING, "Overall Progress") == ["50.0%"]


def test_publishing_again_changes_nothing(m: Morning) -> None:
    m.know(TODAY, overall_progress=82.5)
    m.well()
    once = m.book().dump()
    m.well()
    assert m.book().dump() == once
    m.well(**MONTH)
    month = m.book().dump()
    m.well(**MONTH)
    m.well()
    assert m.book().dump() == month
    assert len(dates(m)) == len(set(dates(m))) == 30


def test_a_backfill_costs_each_spreadsheet_a_read_and_a_write(three: Morning) -> None:
    results = three.well(**MONTH)
    for tenant_id, result in results.items():
        assert (result.rows_written, result.google_calls) == (30, 2)
        assert three.calls(tenant_id=tenant_id) == 2
        assert three.calls("POST /token", tenant_id) == 1
    three.sandbox.requests.clear()
    three.well(first=before(59), last=TODAY)
    assert three.calls("GET /spreadsheets", None) == three.calls("POST :batchUpdate", None) == 3


def test_half_past_midnight_in_tokyo_is_the_new_day(environ: Mapping[str, str]) -> None:
    with morning(environ, now=dt.datetime(2026, 11, 20, 15, 30, tzinfo=dt.UTC)) as m:
        assert m.well()[TENANT].last == TODAY
        assert dates(m) == ["2026-11-21"]
    with morning(environ, now=dt.datetime(2026, 11, 21, 14, 59, tzinfo=dt.UTC)) as m:
        m.well()
        assert dates(m) == ["2026-11-21"]


def test_every_tenant_has_its_own_today_and_no_day_that_is_to_come(environ: Mapping[str, str]) -> None:
    zones = {"east": "Pacific/Kiritimati", "west": "Pacific/Honolulu"}
    plans = tuple(TenantPlan(tenant_id=name, time_zone=zone, systems={}) for name, zone in zones.items())
    with morning(environ, World(WorldPlan(tenants=plans)), now=dt.datetime(2026, 11, 21, 23, tzinfo=dt.UTC)) as m:
        results = m.well()
        assert (results["east"].first, results["west"].first) == (dt.date(2026, 11, 22), TODAY)
        results = m.well(first=TODAY, last=dt.date(2026, 11, 22))
        assert (results["east"].rows_written, results["west"].rows_written) == (2, 1)
        results = m.well(first=dt.date(2026, 11, 22), last=dt.date(2026, 11, 22))
        assert (results["west"].rows_written, results["west"].google_calls) == (0, 0)
        assert m.column(TRACKING, "Date", "west") == ["2026-11-21"]


def test_older_days_are_put_in_where_they_belong(m: Morning) -> None:
    m.well(first=before(3), last=before(3))
    m.well()
    m.well(first=before(5), last=before(1))
    assert dates(m) == [str(before(days)) for days in range(5, -1, -1)]
    assert dates(m, INTEGRATION) == dates(m)
    bold = [
        cell.get("userEnteredFormat", {}).get("textFormat")
        for (row, _), cell in m.book().sheet(TRACKING).cells.items()
        if row
    ]
    assert bold == [None] * len(bold)


def test_more_days_than_fit_make_the_sheet_longer(m: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("changes._FIRST_ROWS", 10), ("changes._MORE_ROWS", 5), ("publishing.DAYS_AT_ONCE", 7)):
        monkeypatch.setattr(f"integration_pipeline.publish.{name}", value)
    m.well(first=before(6), last=before(4))
    m.book().sheet(TRACKING).properties["gridProperties"]["rowCount"] = 5
    result = m.well(first=before(19), last=TODAY)[TENANT]
    assert (result.rows_written, result.google_calls) == (20, 6)
    assert dates(m) == dates(m, INTEGRATION) == [str(before(days)) for days in range(19, -1, -1)]
    wanted = m.book().dump()
    m.well(first=before(19), last=TODAY)
    assert m.book().dump() == wanted


# What is lost, and what happens at once


@pytest.mark.parametrize("action", UNREACHED)
def test_after_a_lost_reply_the_sheet_is_as_if_it_had_come(environ: Mapping[str, str], action: str) -> None:
    dumps: set[str] = set()
    for nth in (None, 1, 2):
        with morning(environ) as m:
            if nth:
                m.fault(action, "POST :batchUpdate", nth=nth)
            m.well(first=before(2), last=before(2))
            m.well()
            assert dates(m) == dates(m, INTEGRATION) == [str(before(2)), str(TODAY)]
            dumps.add(m.book().dump())
    assert len(dumps) == 1


def _rows(sheet_id: int, start: int, end: int) -> dict[str, Any]:
    return {"sheetId": sheet_id, "dimension": "ROWS", "startIndex": start, "endIndex": end}


def test_a_lost_reply_is_looked_after_before_anything_is_written_again(m: Morning) -> None:
    m.fault("lose_reply", "POST :batchUpdate")
    result = m.well()[TENANT]
    assert result.google_calls == 5  # outline, write; outline, whole, write
    assert [r.route for r in m.sandbox.requests.log if r.route != "POST /token"] == [
        "GET /spreadsheets", "POST :batchUpdate", "GET /spreadsheets", "GET /spreadsheets", "POST :batchUpdate",
    ]  # fmt: skip
    assert m.book().revision == 2
    m.fault("lose_reply", "POST :batchUpdate")
    m.well(first=before(3), last=before(2))
    assert dates(m) == [str(before(3)), str(before(2)), str(TODAY)]


def test_a_write_that_hangs_is_given_up_looked_after_and_written(m: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hasty(Exchange):
        """The first write alone has little time: a busy machine may need more for an answer that comes."""

        def send(self, request: HTTPRequest, *, seconds: float, is_kept: bool = False) -> Answer:
            is_first = request.url.path.endswith(":batchUpdate") and m.calls("POST :batchUpdate") == 0
            return super().send(request, seconds=0.3 if is_first else seconds, is_kept=is_kept)

    monkeypatch.setattr("integration_pipeline.publish.google.Exchange", Hasty)
    m.fault("hang", "POST :batchUpdate")
    m.well()
    assert dates(m) == ["2026-11-21"]
    assert m.calls() == 4


def test_two_processes_at_once_leave_one_row_a_day(m: Morning, environ: Mapping[str, str]) -> None:
    m.know(TODAY, overall_progress=70)
    results: list[Published] = []
    m.pipeline.wait_for = threading.Event.wait

    def other() -> None:
        with open_pipeline({**environ, **m.sandbox.environment}) as pipeline:
            pipeline.now = lambda: NOON
            asked = Request(None, before(2), TODAY)
            chosen = publishing.select(pipeline, asked)
            results.extend(publishing.run(pipeline, asked, chosen))

    threads = [threading.Thread(target=other) for _ in range(2)]
    for thread in threads:
        thread.start()
    m.well(first=before(2), last=TODAY)
    for thread in threads:
        thread.join()
    assert [result.error for result in results] == [None, None]
    assert dates(m) == dates(m, INTEGRATION) == [str(before(2)), str(before(1)), str(TODAY)]
    # Nobody met anybody: each saw what the one before had done.
    assert m.book().revision == 3
    assert m.calls("POST :batchUpdate") == 3


def test_another_publishing_is_waited_for_but_not_for_ever(m: Morning) -> None:
    locks = Locks(m.pipeline.database.url)
    held = locks.hold(TENANT, spreadsheets.GOOGLE_SHEETS, wait=False, pause=lambda _: None, purpose=Purpose.PUBLISH)
    told: list[tuple[str, float, str]] = []
    asked = Request()
    with held:
        chosen = publishing.select(m.pipeline, asked)
        (result,) = publishing.run(m.pipeline, asked, chosen, on_wait=lambda *wait: told.append(wait))
    locks.close()
    assert told == [(TENANT, math.inf, "another publishing that is writing this spreadsheet")]
    assert result.status is Status.FAILED
    assert "another publishing" in str(result.error)
    assert sum(m.time.waited) > 299
    assert m.calls() == 0
    m.well()


# People


def test_names_that_look_like_formulas_arrive_as_text(environ: Mapping[str, str]) -> None:
    names = ['=HYPERLINK("http://x","y")', "+1", "@x", "-2+3", "'quoted", '"', "=1+1"]
    plans = tuple(TenantPlan(tenant_id=f"t{number}", name=name, systems={}) for number, name in enumerate(names))
    with morning(environ, World(WorldPlan(tenants=plans))) as m:
        m.well()
        for number, name in enumerate(names):
            sheet = m.book(f"t{number}").sheet(INTEGRATION)
            assert sheet.cells[1, 1]["userEnteredValue"] == {"stringValue": name}
            assert sheet.shown(1, 1) == name


def test_sorted_rows_are_found_by_their_date(m: Morning) -> None:
    m.well(first=before(4), last=TODAY)
    block = {"sheetId": TRACKING_SHEET, "startRowIndex": 1, "endRowIndex": 6}
    change(m, {"sortRange": {"range": block, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "DESCENDING"}]}})
    m.know(before(3), overall_progress=33)
    m.know(TODAY, overall_progress=40)
    m.well(first=before(4), last=TODAY)
    assert dates(m) == [str(before(days)) for days in range(5)]
    assert m.column(TRACKING, "Overall Progress") == ["40.0%", "", "", "33.0%", ""]
    m.well(first=before(6), last=TODAY)
    assert dates(m) == [str(before(days)) for days in (0, 1, 2, 3, 4, 6, 5)]
    twice = m.book().dump()
    m.well(first=before(6), last=TODAY)
    assert m.book().dump() == twice


def test_rows_and_columns_put_in_by_people_stay_theirs(m: Morning) -> None:
    m.know(TODAY, overall_progress=40, team_satisfaction=5)
    m.well(first=before(2), last=before(1))
    change(
        m,
        {"insertDimension": {"range": _rows(TRACKING_SHEET, 0, 2)}},
        {"insertDimension": {"range": _rows(TRACKING_SHEET, 4, 5)}},
        {"insertDimension": {"range": {**_rows(TRACKING_SHEET, 2, 3), "dimension": "COLUMNS"}}},
    )
    sheet = m.book().sheet(TRACKING)
    sheet.type_in(0, 0, "わが社のKPI")
    sheet.type_in(2, 2, "Note")
    sheet.type_in(3, 2, "=1+1")
    theirs = {place: cell for place, cell in sheet.cells.items() if place[1] == 2 or place[0] == 0}
    m.well(first=before(3), last=TODAY)
    sheet = m.book().sheet(TRACKING)
    table = m.book().table(TRACKING)
    assert [row[0] for row in table] == [
        "わが社のKPI",
        "",
        "Date",
        str(before(3)),
        str(before(2)),
        "",
        str(before(1)),
        str(TODAY),
    ]
    assert table[2][:4] == ["Date", "Overall Progress", "Note", "Task Completion Rate"]
    assert [row[1] for row in table[3:]] == ["", "", "", "", "40.0%"]
    moved = {(row + 1 if row > 2 else row, column): cell for (row, column), cell in theirs.items()}
    assert {place: cell for place, cell in sheet.cells.items() if place[1] == 2 or place[0] == 0} == moved
    assert table[7][table[2].index("Average Satisfaction")] == "5.00"
    twice = m.book().dump()
    m.well(first=before(3), last=TODAY)
    assert m.book().dump() == twice


def test_a_column_before_the_date_is_no_hindrance(m: Morning) -> None:
    m.well()
    change(m, {"insertDimension": {"range": {**_rows(INTEGRATION_SHEET, 0, 1), "dimension": "COLUMNS"}}})
    m.book().sheet(INTEGRATION).type_in(1, 0, "note")
    wanted = m.book().dump()
    result = m.well()[TENANT]
    assert m.book().dump() == wanted
    assert result.google_calls == 3


def test_a_sheet_or_chart_that_was_deleted_is_made_anew(m: Morning) -> None:
    m.well(first=before(1), last=TODAY)
    wanted = {sheet.title: sheet for sheet in m.book().sheets}
    change(m, {"deleteSheet": {"sheetId": TRACKING_SHEET}})
    m.well(first=before(1), last=TODAY)
    again = {sheet.title: sheet for sheet in m.book().sheets}
    assert again[TRACKING].cells == wanted[TRACKING].cells
    assert (again[TRACKING].rules, again[TRACKING].charts) == (wanted[TRACKING].rules, wanted[TRACKING].charts)
    change(m, {"deleteEmbeddedObject": {"objectId": TRACKING_CHART}})
    before_chart = m.calls()
    m.well()
    assert m.calls() - before_chart == 2
    assert m.book().sheet(TRACKING).charts == wanted[TRACKING].charts


def test_a_sheet_of_another_name_is_still_ours(m: Morning) -> None:
    m.well()
    properties = {"sheetId": TRACKING_SHEET, "title": "進捗 (it's ours)"}
    change(m, {"updateSheetProperties": {"properties": properties, "fields": "title"}})
    m.well(first=before(1), last=TODAY)
    assert dates(m, "進捗 (it's ours)") == [str(before(1)), str(TODAY)]
    earlier = m.calls()
    m.well()
    assert m.calls() - earlier == 2


def test_a_chart_moved_to_a_sheet_of_its_own_is_left_there(m: Morning) -> None:
    m.well()
    book = m.book()
    change(m, {"addSheet": {"properties": {"sheetId": 5, "title": "Chart"}}})
    book.find(5).charts.append(book.sheet(TRACKING).charts.pop())  # type: ignore[union-attr]
    m.well()
    assert [len(sheet.charts) for sheet in book.sheets] == [0, 0, 1, 1]


def test_a_sheet_of_our_name_that_somebody_else_made_is_not_touched(m: Morning) -> None:
    change(m, {"addSheet": {"properties": {"sheetId": 9, "title": "kpi tracking"}}})
    wanted = m.book().dump()
    result = m.publish()[TENANT]
    assert (result.status, m.book().dump()) == (Status.FAILED, wanted)
    assert "did not make" in str(result.error)
    assert result.error is not None
    assert result.error.remedy == "Rename or delete that sheet; the pipeline then makes its own."
    assert [notice[2:] for notice in told(m)] == [("SPREADSHEET", str(result.error), result.error.remedy)]


def test_a_lost_header_is_said_and_nothing_is_guessed(m: Morning) -> None:
    m.well()
    change(m, {"deleteDimension": {"range": _rows(TRACKING_SHEET, 0, 1)}})
    wanted = m.book().dump()
    result = m.publish()[TENANT]
    assert (result.status, m.book().dump()) == (Status.FAILED, wanted)
    assert 'has no cell "Date"' in str(result.error)
    change(m, {"deleteDimension": {"range": _rows(TRACKING_SHEET, 0, 1)}})
    m.well()  # an empty sheet has nothing to guess about
    assert dates(m) == ["2026-11-21"]


def test_a_renamed_column_stays_and_its_kpi_gets_a_new_one(m: Morning) -> None:
    m.know(TODAY, quality_score=4)
    m.well()
    m.book().sheet(TRACKING).type_in(0, 3, "Qualität")
    m.know(TODAY, quality_score=5)
    m.well()
    assert m.column(TRACKING, "Qualität") == ["4.00"]
    assert m.column(TRACKING, "Quality Score") == ["5.00"]


def test_a_day_that_stands_twice_is_written_once_and_reported(m: Morning) -> None:
    m.know(TODAY, overall_progress=40)
    m.well(first=before(1), last=TODAY)
    sheet = m.book().sheet(TRACKING)
    sheet.type_in(5, 0, 46347)
    m.know(TODAY, overall_progress=41)
    result = m.publish()[TENANT]
    assert result.status is Status.PARTIAL
    assert str(result.error) == '"KPI Tracking" has 2026-11-21 in the rows 3, 6; the first row of each was written'
    assert m.column(TRACKING, "Overall Progress") == ["", "41.0%", "", "", ""]
    _, kind, message, remedy = m.kept()
    assert (kind, message, remedy) == (
        "INCOMPLETE",
        str(result.error),
        "Delete the other rows: their numbers are not kept up to date.",
    )
    change(m, {"deleteDimension": {"range": _rows(TRACKING_SHEET, 5, 6)}})
    m.well()
    assert m.kept() == (None, None, None, None)


def test_rules_do_not_pile_up_and_peoples_own_stay(m: Morning) -> None:
    m.well()
    sheet = m.book().sheet(TRACKING)
    ours = list(sheet.rules)
    assert len(ours) == 4
    theirs = {
        "ranges": [{"sheetId": TRACKING_SHEET, "startColumnIndex": 1, "endColumnIndex": 2}],
        "booleanRule": {"condition": {"type": "BLANK"}, "format": {"backgroundColor": {"red": 1}}},
    }
    old = json.loads(json.dumps(ours[0]))
    old["booleanRule"]["condition"]["values"][0]["userEnteredValue"] = "=B1<50"
    change(
        m,
        {"addConditionalFormatRule": {"rule": theirs, "index": 1}},
        {"addConditionalFormatRule": {"rule": old, "index": 0}},
        {"addConditionalFormatRule": {"rule": ours[2], "index": 5}},
        {"deleteConditionalFormatRule": {"sheetId": TRACKING_SHEET, "index": 1}},
    )
    m.well()
    rules = m.book().sheet(TRACKING).rules
    assert sorted(map(json.dumps, rules)) == sorted(map(json.dumps, [*ours, theirs]))
    m.well()
    assert m.book().sheet(TRACKING).rules == rules


# What goes wrong


@pytest.mark.parametrize(
    ("problem", "kind", "said", "remedy"),
    [
        ("not_shared", "AUTH_ERROR", "may not edit", "Share the spreadsheet with {email} as an editor"),
        ("read_only", "AUTH_ERROR", "may not edit", "Share the spreadsheet with {email} as an editor"),
        ("disabled", "AUTH_ERROR", "switched off", "Enable the Google Sheets API in the project of {email}"),
        ("deleted", "AUTH_ERROR", "no such spreadsheet", "Restore it, or import another one's id"),
        ("invalid_grant", "AUTH_ERROR", "accepts no key of {email}", "Make a new key for {email}"),
    ],
)
def test_one_tenants_trouble_is_its_own(three: Morning, problem: str, kind: str, said: str, remedy: str) -> None:
    if problem == "invalid_grant":
        three.sandbox.world.workspace("tenant-0002", "GOOGLE_SHEETS").access.problem = problem
    else:
        three.book("tenant-0002").problem = problem
    results = three.publish()
    email = three.book("tenant-0002").owner
    assert [results[tenant_id].status for tenant_id in sorted(results)] == ["SUCCESS", "FAILED", "SUCCESS"]
    error = results["tenant-0002"].error
    assert error is not None
    assert error.remedy is not None
    assert said.format(email=email) in str(error)
    assert remedy.format(email=email) in error.remedy
    failed_at, *kept = three.kept("tenant-0002")
    assert (failed_at, kept) == (NOON, [kind, str(error), error.remedy])
    assert told(three) == [("tenant-0002", "GOOGLE_SHEETS", "SPREADSHEET", str(error), error.remedy)]
    (notice,) = notices.recent(three.pipeline.database, limit=2)
    assert notice.commands == [
        "integration-pipeline spreadsheets import FILE.json",
        "integration-pipeline publish --tenant-id tenant-0002",
    ]
    assert three.kept("tenant-0001")[0] is None
    assert results["tenant-0002"].rows_written == 0
    assert results["tenant-0002"].google_calls <= 2
    # Healed, all is well again, and forgotten.
    three.book("tenant-0002").problem = three.sandbox.world.workspace("tenant-0002", "GOOGLE_SHEETS").access.problem = (
        None
    )
    three.well()
    assert three.kept("tenant-0002")[0] is None


def test_an_exhausted_quota_is_waited_for_and_then_reported(m: Morning) -> None:
    m.fault("limit", "POST :batchUpdate")
    m.well()
    assert any(seconds >= 30 for seconds in m.time.waited)
    m.fault("limit", "POST :batchUpdate", times=None)
    result = m.publish()[TENANT]
    assert result.status is Status.FAILED
    assert result.error is not None
    assert result.error.kind == "RATE_LIMIT"
    assert "quota" in str(result.error)
    assert "higher quota" in (result.error.remedy or "")
    assert m.calls("POST :batchUpdate") == 5


def test_a_retry_after_is_heard_and_one_that_is_too_long_is_not_waited_for(m: Morning) -> None:
    m.fault("limit", "GET /spreadsheets", retry_after="7")
    m.well()
    assert 7 <= sum(m.time.waited) < 20
    m.fault("limit", "GET /spreadsheets", retry_after="4000")
    result = m.publish()[TENANT]
    assert "asks to wait 4000 s" in str(result.error)
    assert sum(m.time.waited) < 20


def test_a_token_that_expired_is_renewed_once(m: Morning) -> None:
    m.fault("expire_token", "POST :batchUpdate")
    m.well()
    assert m.calls("POST /token") == 2
    m.fault("expire_token", "GET /spreadsheets", times=None)
    result = m.publish()[TENANT]
    assert "rejects even a fresh token" in str(result.error)


@pytest.mark.parametrize("status", [500, 503])
def test_a_token_endpoint_that_fails_is_asked_again_but_not_for_ever(m: Morning, status: int) -> None:
    m.fault("status", "POST /token", status=status)
    m.well()
    m.fault("status", "POST /token", status=status, times=None)
    assert m.publish()[TENANT].status is Status.FAILED
    assert m.calls("POST /token") == 2 + 3


@pytest.mark.parametrize(
    ("body", "said"),
    [("{}", "without a token"), ("[]", "no JSON object"), ('{"access_token": 1}', "without a token")],
)
def test_a_token_answer_without_a_token_is_no_token(m: Morning, body: str, said: str) -> None:
    m.fault("status", "POST /token", status=200, body=body, times=None)
    result = m.publish()[TENANT]
    assert said in str(result.error)
    assert m.calls() == 0


@pytest.mark.parametrize(
    "body", ['{"sheets": 7}', '{"sheets": [{}]}', '{"sheets": [{"properties": {"title": []}}]}', "[1]"]
)
def test_an_answer_that_is_not_googles_is_an_error_and_writes_nothing(m: Morning, body: str) -> None:
    m.fault("status", "GET /spreadsheets", status=200, body=body, times=None)
    result = m.publish()[TENANT]
    assert result.status is Status.FAILED
    assert m.calls("POST :batchUpdate") == 0


def test_a_redirect_is_not_followed(m: Morning) -> None:
    m.fault("status", "GET /spreadsheets", status=302, headers={"Location": "https://elsewhere.example/"}, times=None)
    assert m.publish()[TENANT].status is Status.FAILED
    assert m.calls() == 1


def test_a_defect_in_one_tenants_publishing_is_its_own(
    three: Morning, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(tenant: Any) -> Any:
        if tenant.tenant_id == "tenant-0002":
            raise KeyError(tenant.name)
        return layouts(tenant)

    monkeypatch.setattr("integration_pipeline.publish.access.layouts", broken)
    results = three.publish()
    assert str(results["tenant-0002"].error) == "a defect in the pipeline: KeyError"
    assert [results[tenant_id].status for tenant_id in sorted(results)] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert "defect tenant=tenant-0002 error=KeyError" in caplog.text
    assert "第2株式会社" not in caplog.text


def test_no_secret_is_in_any_message_or_log(m: Morning, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="integration_pipeline")
    m.fault("status", "POST :batchUpdate", status=500, times=None)
    result = m.publish()[TENANT]
    told = caplog.text + repr(result) + str(result.error) + str(m.kept())
    assert "ya29." not in told
    assert "PRIVATE" not in told


def test_charts_look_at_open_ranges(m: Morning) -> None:
    m.well()
    (chart,) = m.book().sheet(TRACKING).charts
    basic = chart["spec"]["basicChart"]
    sources = [*(d["domain"] for d in basic["domains"]), *(s["series"] for s in basic["series"])]
    blocks = [block for source in sources for block in source["sourceRange"]["sources"]]
    assert len(blocks) == 4
    assert all("endRowIndex" not in block for block in blocks)


def test_a_sheet_can_be_shown_on_a_terminal(m: Morning) -> None:
    m.know(TODAY, overall_progress=82.5)
    m.well()
    shown = showing.lines(m.sandbox.world, TENANT, TRACKING, fields=["Date", "Overall Progress", "Alert"])
    assert shown == ["Date        Overall Progress  Alert", "2026-11-21  82.5%             ✅ 良好"]
    assert showing.lines(m.sandbox.world, TENANT, INTEGRATION)[0].startswith("Date        Tenant")
    with pytest.raises(KeyError):
        showing.lines(m.sandbox.world, TENANT, "Gone")


# One tenant's trouble is its own


def test_a_tenant_whose_time_zone_nobody_knows_is_marked_and_the_others_published(three: Morning) -> None:
    with three.pipeline.database.operator() as cursor:
        cursor.execute("UPDATE tenants SET time_zone = 'Nowhere/Nothing' WHERE tenant_id = 'tenant-0002'")
    results = three.publish()
    assert {tenant_id for tenant_id, result in results.items() if result.error} == {"tenant-0002"}
    assert three.kept("tenant-0002")[1:3] == (
        "CONFIGURATION", "there is no time zone 'Nowhere/Nothing', so nobody knows the days of tenant-0002",
    )  # fmt: skip
    publishing.check(three.pipeline, Request(None, TODAY, TODAY), publishing.select(three.pipeline, Request()))


def test_a_tenant_whose_key_is_lost_is_marked_and_the_others_published(three: Morning) -> None:
    lose = "UPDATE spreadsheets SET service_account = replace(service_account, 'v1:test:', 'v1:lost:')"
    with builders.everything(three.pipeline.database) as cursor:
        cursor.execute(f"{lose} WHERE tenant_id = 'tenant-0002'".encode())
    results = three.publish()
    assert {tenant_id for tenant_id, result in results.items() if result.error} == {"tenant-0002"}
    said = "service_account of tenant-0002 GOOGLE_SHEETS is sealed with the key lost, which is not in "
    ((tenant_id, _, cause, message, remedy),) = told(three)
    assert three.kept("tenant-0002")[1:] == ("CONFIGURATION", message, remedy)
    assert (tenant_id, cause, message.startswith(said)) == ("tenant-0002", "SPREADSHEET", True)

    chosen = publishing.select(three.pipeline, Request())
    publishing.check(three.pipeline, Request(), chosen)
    with builders.everything(three.pipeline.database) as cursor:
        cursor.execute(lose.encode())
    with pytest.raises(UsageError, match="is sealed with the key lost"):
        publishing.check(three.pipeline, Request(), chosen)


def test_where_the_system_gives_no_more_threads_those_there_are_publish_all(
    three: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, publishers = threading.Thread.start, list[threading.Thread]()

    def scarce(thread: threading.Thread) -> None:
        if thread.name.startswith("publish-"):
            if publishers:
                raise RuntimeError("can't start new thread")
            publishers.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    assert len(three.well()) == 3


def test_a_tenant_whose_figures_the_database_refuses_is_marked_and_the_others_published(
    three: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = kpi.refresh

    def refused(database: Database, tenant: Tenant, days: Sequence[dt.date], *, now: dt.datetime) -> None:
        if tenant.tenant_id == "tenant-0002":
            raise psycopg.errors.NumericValueOutOfRange("a value that is not to be quoted")
        refresh(database, tenant, days, now=now)

    monkeypatch.setattr(kpi, "refresh", refused)
    results = three.publish()
    assert {tenant_id for tenant_id, result in results.items() if result.error} == {"tenant-0002"}
    assert three.kept("tenant-0002")[2] == "the database refused or was lost: NumericValueOutOfRange"
