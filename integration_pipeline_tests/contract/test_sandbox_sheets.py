"""The sandbox's Google, judged by gspread as it is and by Google's own schemas."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import gspread
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError
from gspread.exceptions import APIError

from integration_pipeline.publish.sandbox.shapes import SHAPES
from integration_pipeline.sandbox.access import private_key
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.publish import google
from integration_pipeline_tests.publish.schemas import problems, schemas

SHEET = 7


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(build(tenants=2, users=1, channels=0, teams=0, limits=True)) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> gspread.Client:
    return google.client(sandbox)


@pytest.fixture
def spreadsheet(sandbox: Sandbox, client: gspread.Client) -> gspread.Spreadsheet:
    return client.open_by_key(google.entry(sandbox, "tenant-0001")["spreadsheet_id"])


def add_sheet(title: str = "KPI", sheet_id: int = SHEET) -> dict[str, Any]:
    grid = {"rowCount": 10, "columnCount": 5}
    return {"addSheet": {"properties": {"sheetId": sheet_id, "title": title, "gridProperties": grid}}}


def write(row: int, column: int, *values: dict[str, Any], fields: str = "userEnteredValue") -> dict[str, Any]:
    start = {"sheetId": SHEET, "rowIndex": row, "columnIndex": column}
    rows = [{"values": [{"userEnteredValue": value} for value in values]}]
    return {"updateCells": {"start": start, "rows": rows, "fields": fields}}


def number(value: float) -> dict[str, Any]:
    return {"numberValue": value}


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def formula(value: str) -> dict[str, Any]:
    return {"formulaValue": value}


def update(spreadsheet: gspread.Spreadsheet, *requests: dict[str, Any]) -> Any:
    return spreadsheet.batch_update({"requests": list(requests)})


def test_every_shape_that_is_understood_is_googles() -> None:
    for name, fields in SHAPES.items():
        properties = schemas()[name]["properties"]
        for field, shape in fields.items():
            theirs = properties[field]
            if shape.startswith("["):
                assert theirs["items"].get("$ref") == shape[1:-1], (name, field)
            else:
                assert theirs.get("$ref", theirs.get("type")) == shape, (name, field)


def test_a_new_spreadsheet_opens(spreadsheet: gspread.Spreadsheet) -> None:
    assert spreadsheet.title.endswith("KPI")
    (only,) = spreadsheet.worksheets()
    assert (only.id, only.title, only.row_count, only.col_count) == (0, "シート1", 1000, 26)


def test_whole_answers_are_of_googles_schemas(spreadsheet: gspread.Spreadsheet, client: gspread.Client) -> None:
    rule = {
        "ranges": [{"sheetId": SHEET, "startColumnIndex": 1, "endColumnIndex": 2}],
        "booleanRule": {
            "condition": {"type": "CUSTOM_FORMULA", "values": [{"userEnteredValue": "=B1<80"}]},
            "format": {"backgroundColor": {"red": 1, "green": 0, "blue": 0}},
        },
    }
    replies = update(
        spreadsheet,
        add_sheet(),
        write(0, 0, text("Date"), number(0), formula("=1/0"), formula("=B1=0")),
        {"addConditionalFormatRule": {"rule": rule, "index": 0}},
    )
    assert problems(replies, "BatchUpdateSpreadsheetResponse") == []
    assert [list(reply) for reply in replies["replies"]] == [["addSheet"], [], []]
    found = client.http_client.fetch_sheet_metadata(spreadsheet.id, {"includeGridData": "true"})
    assert problems(found, "Spreadsheet") == []
    (cells,) = found["sheets"][1]["data"]
    assert [cell["effectiveValue"] for cell in cells["rowData"][0]["values"]] == [
        {"stringValue": "Date"},
        {"numberValue": 0},
        {"errorValue": {"type": "DIVIDE_BY_ZERO", "message": "#DIV/0!"}},
        {"boolValue": True},
    ]
    assert problems(spreadsheet.values_get("KPI!A1:B2"), "ValueRange") == []
    assert problems(spreadsheet.values_batch_get(["KPI!A1", "KPI!B1"]), "BatchGetValuesResponse") == []


def test_text_is_never_a_formula_and_typed_cells_are_what_they_are(spreadsheet: gspread.Spreadsheet) -> None:
    update(
        spreadsheet,
        add_sheet(),
        write(0, 0, text('=HYPERLINK("x")'), text("+1"), text("@x"), number(1.5), formula("=D1*2")),
    )
    sheet = spreadsheet.worksheet("KPI")
    assert sheet.get_all_values() == [['=HYPERLINK("x")', "+1", "@x", "1.5", "3"]]
    formulas = sheet.get("A1:E1", value_render_option=gspread.utils.ValueRenderOption.formula)
    assert formulas == [['=HYPERLINK("x")', "+1", "@x", 1.5, "=D1*2"]]


def test_an_update_is_whole_or_not_at_all(sandbox: Sandbox, spreadsheet: gspread.Spreadsheet) -> None:
    before = google.book(sandbox).dump()
    wrongs: list[dict[str, Any]] = [
        add_sheet("シート1"),
        {"addSheet": {"properties": {"sheetId": 0}}},
        write(10, 0, number(1)),
        write(0, 5, number(1)),
        write(0, 0, number(1), fields=""),
        write(0, 0, number(1), fields="userEnteredValue("),
        write(0, 0, {"numberValue": 1, "stringValue": "1"}),
        write(0, 0, formula("1+1")),
        {"deleteSheet": {"sheetId": 404}},
        {"deleteConditionalFormatRule": {"sheetId": SHEET, "index": 0}},
        {"deleteEmbeddedObject": {"objectId": 404}},
        {"appendDimension": {"sheetId": SHEET, "dimension": "ROWS"}},
        {
            "insertDimension": {
                "range": {"sheetId": SHEET, "dimension": "ROWS", "endIndex": 1},
                "inheritFromBefore": True,
            }
        },
        {"updateCells": {"fields": "userEnteredValue"}},
        {},
        {"addSheet": {}, "deleteSheet": {}},
    ]
    for wrong in wrongs:
        with pytest.raises(APIError) as caught:
            update(spreadsheet, add_sheet(), wrong)
        assert (caught.value.code, caught.value.error["status"]) == (400, "INVALID_ARGUMENT"), wrong
        assert google.book(sandbox).dump() == before


def test_unknown_names_and_wrong_types_are_refused_in_googles_form(spreadsheet: gspread.Spreadsheet) -> None:
    for body, said in (
        ({"requests": [{"updateCell": {}}]}, "Unknown name \"updateCell\" at 'requests[0]': Cannot find field."),
        ({"requests": [{"addSheet": {"property": {}}}]}, "Unknown name \"property\" at 'requests[0].add_sheet'"),
        (
            {"requests": [{"addSheet": {"properties": {"sheetId": "7"}}}]},
            "at 'requests[0].add_sheet.properties.sheet_id'",
        ),
        ({"requests": []}, "Must specify at least one request."),
    ):
        with pytest.raises(APIError) as caught:
            spreadsheet.batch_update(body)
        assert said in caught.value.error["message"]


def test_null_is_as_good_as_left_out(spreadsheet: gspread.Spreadsheet) -> None:
    update(spreadsheet, {"addSheet": {"properties": {"title": "KPI", "gridProperties": None}}})
    assert spreadsheet.worksheet("KPI").row_count == 1000


def test_zeros_and_empty_lists_are_left_out(spreadsheet: gspread.Spreadsheet, client: gspread.Client) -> None:
    fetch = client.http_client.fetch_sheet_metadata
    assert fetch(spreadsheet.id, {"fields": "sheets(conditionalFormats,charts,data(startRow,rowData))"}) == {
        "sheets": [{"data": [{}]}]
    }
    assert "values" not in spreadsheet.values_get("シート1!A1:B2")


def test_a_field_mask_and_ranges_bring_what_they_name(spreadsheet: gspread.Spreadsheet, client: gspread.Client) -> None:
    update(spreadsheet, add_sheet(), write(0, 0, text("a"), text("b")), write(3, 1, number(5)))
    found = client.http_client.fetch_sheet_metadata(
        spreadsheet.id,
        {
            "fields": "sheets(properties.title,data(startRow,startColumn,rowData.values.effectiveValue))",
            "ranges": ["KPI!B:B", "'KPI'!1:2"],
        },
    )
    b, five = {"effectiveValue": text("b")}, {"effectiveValue": number(5)}
    assert found["sheets"] == [
        {
            "properties": {"title": "KPI"},
            "data": [
                {"startColumn": 1, "rowData": [{"values": [b]}, {}, {}, {"values": [five]}]},
                {"rowData": [{"values": [{"effectiveValue": text("a")}, b]}]},
            ],
        }
    ]


@pytest.mark.parametrize("wrong", ["Gone!A:A", "'KPI", "KPI!A0", "KPI!Z:Z"])
def test_a_range_of_nothing_is_refused(spreadsheet: gspread.Spreadsheet, wrong: str) -> None:
    update(spreadsheet, add_sheet())
    with pytest.raises(APIError) as caught:
        spreadsheet.values_get(wrong)
    assert caught.value.code == 400


def test_a_sheets_name_may_hold_anything(spreadsheet: gspread.Spreadsheet) -> None:
    update(spreadsheet, add_sheet("it's a/b:append!"), write(0, 0, text("x")))
    assert spreadsheet.worksheet("it's a/b:append!").get_all_values() == [["x"]]
    assert spreadsheet.values_get("'it''s a/b:append!'!A1")["range"] == "'it''s a/b:append!'!A1:A1"


def test_rows_put_in_take_references_rules_and_charts_along(sandbox: Sandbox, spreadsheet: gspread.Spreadsheet) -> None:
    block = {"sheetId": SHEET, "startRowIndex": 1, "endRowIndex": 4, "startColumnIndex": 1, "endColumnIndex": 2}
    rule = {
        "ranges": [block],
        "booleanRule": {
            "condition": {"type": "CUSTOM_FORMULA", "values": [{"userEnteredValue": "=$B2>1"}]},
            "format": {"textFormat": {"bold": True}},
        },
    }
    update(
        spreadsheet,
        add_sheet(),
        write(1, 0, number(1), formula('=A2+SUM(A:A)&"A2"')),
        {"addConditionalFormatRule": {"rule": rule}},
    )
    insert = {"sheetId": SHEET, "dimension": "ROWS", "startIndex": 1, "endIndex": 3}
    update(spreadsheet, {"insertDimension": {"range": insert, "inheritFromBefore": False}})
    insert = {"sheetId": SHEET, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1}
    update(spreadsheet, {"insertDimension": {"range": insert}})
    sheet = google.book(sandbox).sheet("KPI")
    assert sheet.cells[3, 2]["userEnteredValue"] == formula('=B4+SUM(B:B)&"A2"')
    (moved,) = sheet.rules
    assert moved["ranges"] == [
        {**block, "startRowIndex": 3, "endRowIndex": 6, "startColumnIndex": 2, "endColumnIndex": 3}
    ]
    assert moved["booleanRule"]["condition"]["values"] == [{"userEnteredValue": "=$C4>1"}]
    assert sheet.size == (12, 6)
    gone = {"sheetId": SHEET, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2}
    update(spreadsheet, {"deleteDimension": {"range": gone}})
    assert google.book(sandbox).sheet("KPI").cells[3, 1]["userEnteredValue"] == formula('=#REF!+SUM(#REF!)&"A2"')


def test_sorting_takes_formulas_along_with_their_rows(sandbox: Sandbox, spreadsheet: gspread.Spreadsheet) -> None:
    update(
        spreadsheet,
        add_sheet(),
        write(0, 0, number(1), formula("=A1*10+$A$1")),
        write(1, 0, number(3), formula("=A2*10")),
        write(3, 0, number(2), formula("=A4*10")),
    )
    block = {"sheetId": SHEET, "startRowIndex": 0, "endRowIndex": 4}
    specs = [{"dimensionIndex": 0, "sortOrder": "DESCENDING"}]
    update(spreadsheet, {"sortRange": {"range": block, "sortSpecs": specs}})
    assert google.book(sandbox).table("KPI") == [["3", "30"], ["2", "20"], ["1", "13"]]


def chart(chart_id: int) -> dict[str, Any]:
    source = {"sourceRange": {"sources": [{"sheetId": SHEET, "startColumnIndex": 0, "endColumnIndex": 1}]}}
    basic = {"chartType": "LINE", "domains": [{"domain": source}], "series": [{"series": source}]}
    anchor = {"overlayPosition": {"anchorCell": {"sheetId": SHEET}}}
    return {
        "addChart": {"chart": {"chartId": chart_id, "spec": {"title": "c", "basicChart": basic}, "position": anchor}}
    }


def test_charts_and_rules_come_change_and_go(sandbox: Sandbox, spreadsheet: gspread.Spreadsheet) -> None:
    rule = {
        "ranges": [{"sheetId": SHEET}],
        "booleanRule": {"condition": {"type": "NOT_BLANK"}, "format": {"textFormat": {"bold": True}}},
    }
    italic = copy.deepcopy(rule)
    italic["booleanRule"]["format"] = {"textFormat": {"italic": True}}  # type: ignore[index]
    update(spreadsheet, add_sheet(), chart(9), {"addConditionalFormatRule": {"rule": rule}})
    with pytest.raises(APIError, match="already exists"):
        update(spreadsheet, chart(9))
    update(
        spreadsheet,
        {"addConditionalFormatRule": {"rule": rule, "index": 0}},
        {"updateConditionalFormatRule": {"index": 1, "rule": italic}},
        {"updateChartSpec": {"chartId": 9, "spec": {"title": "d"}}},
    )
    sheet = google.book(sandbox).sheet("KPI")
    assert (sheet.rules, sheet.charts[0]["spec"]) == ([rule, italic], {"title": "d"})
    update(
        spreadsheet,
        {"deleteConditionalFormatRule": {"sheetId": SHEET, "index": 0}},
        {"deleteEmbeddedObject": {"objectId": 9}},
    )
    sheet = google.book(sandbox).sheet("KPI")
    assert (sheet.rules, sheet.charts) == ([italic], [])
    update(spreadsheet, {"deleteSheet": {"sheetId": SHEET}})
    assert [sheet.title for sheet in spreadsheet.worksheets()] == ["シート1"]


def test_formats_and_properties_are_written_as_far_as_the_mask_goes(
    sandbox: Sandbox, spreadsheet: gspread.Spreadsheet
) -> None:
    update(spreadsheet, add_sheet())
    sheet = spreadsheet.worksheet("KPI")
    sheet.format("A1:B1", {"textFormat": {"bold": True}, "numberFormat": {"type": "NUMBER", "pattern": "0.0"}})
    sheet.freeze(rows=1)
    sheet.update_title("KPI 2")
    cell = google.book(sandbox).sheet("KPI 2").cells[0, 1]
    assert cell == {
        "userEnteredFormat": {"textFormat": {"bold": True}, "numberFormat": {"type": "NUMBER", "pattern": "0.0"}}
    }
    update(spreadsheet, write(0, 1, number(2.25), fields="userEnteredValue,userEnteredFormat.numberFormat"))
    found = google.book(sandbox).sheet("KPI 2")
    assert found.cells[0, 1] == {"userEnteredFormat": {"textFormat": {"bold": True}}, "userEnteredValue": number(2.25)}
    assert found.properties["gridProperties"] == {"rowCount": 10, "columnCount": 5, "frozenRowCount": 1}


def test_a_minute_holds_sixty_writes_and_sixty_reads(sandbox: Sandbox, spreadsheet: gspread.Spreadsheet) -> None:
    for _ in range(59):  # opening it was the first
        spreadsheet.values_get("A1")
    with pytest.raises(APIError) as caught:
        spreadsheet.values_get("A1")
    assert (caught.value.code, caught.value.error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "retry-after" not in {name.lower() for name in caught.value.response.headers}
    update(spreadsheet, add_sheet())
    other = google.client(sandbox, "tenant-0002")
    other.open_by_key(google.entry(sandbox, "tenant-0002")["spreadsheet_id"])


@pytest.mark.parametrize(
    ("problem", "code", "status"),
    [("deleted", 404, "NOT_FOUND"), ("not_shared", 403, "PERMISSION_DENIED"), ("disabled", 403, "PERMISSION_DENIED")],
)
def test_what_is_not_there_or_not_ones_own_is_refused(
    sandbox: Sandbox, client: gspread.Client, problem: str, code: int, status: str
) -> None:
    google.book(sandbox).problem = problem
    with pytest.raises(APIError) as caught:
        client.http_client.fetch_sheet_metadata(google.entry(sandbox, "tenant-0001")["spreadsheet_id"])
    assert (caught.value.code, caught.value.error["status"]) == (code, status)


def test_others_spreadsheets_are_not_shared_and_a_readers_cannot_be_written(
    sandbox: Sandbox, client: gspread.Client, spreadsheet: gspread.Spreadsheet
) -> None:
    with pytest.raises(APIError, match="does not have permission"):
        client.http_client.fetch_sheet_metadata(google.entry(sandbox, "tenant-0002")["spreadsheet_id"])
    with pytest.raises(APIError, match="Requested entity was not found"):
        client.http_client.fetch_sheet_metadata("1234567890")
    google.book(sandbox).problem = "read_only"
    assert spreadsheet.worksheets()
    with pytest.raises(APIError, match="does not have permission"):
        update(spreadsheet, add_sheet())


def test_a_token_needs_the_scope_and_lives_an_hour(sandbox: Sandbox) -> None:
    spreadsheet_id = google.entry(sandbox, "tenant-0001")["spreadsheet_id"]
    reader = google.client(sandbox, scopes="https://www.googleapis.com/auth/drive.readonly").http_client
    with pytest.raises(APIError, match="insufficient authentication scopes"):
        reader.fetch_sheet_metadata(spreadsheet_id)
    access = sandbox.world.workspace("tenant-0001", "GOOGLE_SHEETS").access
    client = google.client(sandbox)
    assert client.open_by_key(spreadsheet_id).title
    access.expire()
    assert client.open_by_key(spreadsheet_id).title  # google-auth asks for another token
    assert sandbox.requests.count(route="POST /token", tenant_id="tenant-0001") == 3
    access.problem = "invalid_grant"
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        google.client(sandbox).open_by_key("x")


def assertion(sandbox: Sandbox, key: Any = None, **changes: Any) -> dict[str, str]:
    """A token request's form, signed as it must be."""
    account = google.entry(sandbox, "tenant-0001")["service_account"]
    now = int(time.time())
    claims = {"iat": now, "exp": now + 3600, "iss": account["client_email"], "scope": google.SCOPE}
    claims = {**claims, "aud": "https://oauth2.googleapis.com/token", **changes}
    signed = jwt.encode(claims, key or private_key(), algorithm="RS256")
    return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"aud": "http://127.0.0.1/token"}, "invalid_grant", "audience"),
        ({"exp": 2}, "invalid_grant", "short-lived"),
        ({"iat": "soon"}, "invalid_grant", "short-lived"),
        ({"iss": "nobody@example.com"}, "invalid_grant", "account not found"),
        ({"scope": ""}, "invalid_scope", "scope"),
    ],
)
def test_assertions_are_checked(sandbox: Sandbox, changes: dict[str, Any], code: str, said: str) -> None:
    url = sandbox.environment["INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL"]
    answer = httpx.post(url, data=assertion(sandbox, **changes), trust_env=False)
    assert (answer.status_code, answer.json()["error"]) == (400, code)
    assert said in answer.json()["error_description"]
    assert httpx.post(url, data=assertion(sandbox), trust_env=False).json()["access_token"].startswith("ya29.")
    forged = assertion(sandbox, rsa.generate_private_key(65537, 2048))
    assert httpx.post(url, data=forged, trust_env=False).json()["error_description"] == "Invalid JWT Signature."
    assert httpx.post(url, data={"grant_type": "password"}, trust_env=False).json()["error"] == "unsupported_grant_type"
    assert httpx.post(url, content=b"\xff", trust_env=False).status_code == 400


def test_calls_without_a_good_token_are_refused(sandbox: Sandbox) -> None:
    base = sandbox.environment["INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL"]
    url = f"{base}v4/spreadsheets/{google.entry(sandbox, 'tenant-0001')['spreadsheet_id']}"
    for headers in ({}, {"Authorization": "Bearer ya29.00"}, {"Authorization": "Basic x"}):
        answer = httpx.get(url, headers=headers, trust_env=False)
        assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert httpx.get(f"{base}v4/elsewhere", trust_env=False).status_code == 404


def test_a_body_that_is_no_json_is_refused(sandbox: Sandbox, client: gspread.Client) -> None:
    base = sandbox.environment["INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL"]
    url = f"{base}v4/spreadsheets/{google.entry(sandbox, 'tenant-0001')['spreadsheet_id']}:batchUpdate"
    client.http_client.login()
    headers = {"Authorization": f"Bearer {client.http_client.auth.token}"}
    for body in (b"", b"{", b"[]", b"null", json.dumps({"requests": 1}).encode()):
        assert httpx.post(url, content=body, headers=headers, trust_env=False).status_code == 400, body
