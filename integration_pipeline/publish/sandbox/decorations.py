"""What lies over the cells: conditional formats and charts, as ``batchUpdate`` makes, changes and removes them."""

import copy
from collections.abc import Mapping
from typing import Any

from integration_pipeline.publish.sandbox.book import Book, Sheet
from integration_pipeline.publish.sandbox.places import Refusal, Reply, Request, block_of, sheet_of

_CONDITIONS = frozenset(
    {
        "BLANK",
        "CUSTOM_FORMULA",
        "NOT_BLANK",
        "NUMBER_BETWEEN",
        "NUMBER_GREATER",
        "NUMBER_GREATER_THAN_EQ",
        "NUMBER_LESS",
        "NUMBER_LESS_THAN_EQ",
        "TEXT_CONTAINS",
        "TEXT_EQ",
    }
)


def _rule(book: Book, rule: Mapping[str, Any]) -> tuple[Sheet, dict[str, Any]]:
    ranges = rule.get("ranges", [])
    if not ranges or len({place.get("sheetId", 0) for place in ranges}) != 1:
        raise Refusal("A rule needs ranges, all on one sheet.")
    sheet = sheet_of(book, ranges[0].get("sheetId", 0))
    for place in ranges:
        block_of(sheet, place)
    if rule.get("booleanRule", {}).get("condition", {}).get("type") not in _CONDITIONS:
        raise Refusal("The condition's type is not supported.")
    allowed = {"backgroundColor", "textFormat"}
    if not rule["booleanRule"].get("format") or rule["booleanRule"]["format"].keys() - allowed:
        raise Refusal("Only bold, italic, strikethrough and colors can be applied by a rule.")
    return sheet, copy.deepcopy(dict(rule))


def add_rule(book: Book, request: Request) -> None:
    sheet, rule = _rule(book, request.get("rule", {}))
    index = request.get("index", len(sheet.rules))
    if not 0 <= index <= len(sheet.rules):
        raise Refusal(f"index {index} is out of range.")
    sheet.rules.insert(index, rule)


def update_rule(book: Book, request: Request) -> Reply:
    sheet = sheet_of(
        book, request["rule"]["ranges"][0].get("sheetId", 0) if "rule" in request else request.get("sheetId", 0)
    )
    index = _index(sheet, request)
    old = sheet.rules.pop(index)
    rule = _rule(book, request["rule"])[1] if "rule" in request else old
    sheet.rules.insert(request.get("newIndex", index), rule)
    return {
        "updateConditionalFormatRule": {"oldRule": old, "newRule": rule, "newIndex": request.get("newIndex", index)}
    }


def delete_rule(book: Book, request: Request) -> Reply:
    sheet = sheet_of(book, request.get("sheetId", 0))
    return {"deleteConditionalFormatRule": {"rule": sheet.rules.pop(_index(sheet, request))}}


def _index(sheet: Sheet, request: Request) -> int:
    index = request.get("index", 0)
    if not 0 <= index < len(sheet.rules):
        raise Refusal(f"No conditional format on sheet: {sheet.sheet_id} at index: {index}")
    return int(index)


def add_chart(book: Book, request: Request) -> Reply:
    chart = copy.deepcopy(dict(request.get("chart", {})))
    taken = {chart["chartId"] for sheet in book.sheets for chart in sheet.charts}
    chart.setdefault("chartId", max(taken, default=0) + 1)
    if chart["chartId"] in taken:
        raise Refusal(f"An embedded object with the ID {chart['chartId']} already exists.")
    basic = chart.get("spec", {}).get("basicChart", {})
    if not basic.get("series") or not basic.get("domains"):
        raise Refusal("A chart needs a domain and a series.")
    for part in (*(d["domain"] for d in basic["domains"]), *(s["series"] for s in basic["series"])):
        for place in part["sourceRange"]["sources"]:
            block_of(sheet_of(book, place.get("sheetId", 0)), place)
    anchor = chart.get("position", {}).get("overlayPosition", {}).get("anchorCell", {})
    sheet = sheet_of(book, anchor.get("sheetId", 0))
    rows, columns = sheet.size
    if anchor.get("rowIndex", 0) >= rows or anchor.get("columnIndex", 0) >= columns:
        raise Refusal("The anchor cell exceeds grid limits.")
    sheet.charts.append(chart)
    return {"addChart": {"chart": chart}}


def update_chart(book: Book, request: Request) -> None:
    _chart(book, request.get("chartId", 0))[1]["spec"] = copy.deepcopy(request.get("spec", {}))


def delete_object(book: Book, request: Request) -> None:
    sheet, chart = _chart(book, request.get("objectId", 0))
    sheet.charts.remove(chart)


def _chart(book: Book, chart_id: int) -> tuple[Sheet, dict[str, Any]]:
    found = [(sheet, chart) for sheet in book.sheets for chart in sheet.charts if chart["chartId"] == chart_id]
    if not found:
        raise Refusal(f"No embedded object with id: {chart_id}")
    return found[0]
