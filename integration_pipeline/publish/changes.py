"""From what a spreadsheet holds and what it shall say to the requests of one ``batchUpdate``. Pure.

Google applies all of them or none (``spreadsheets.batchUpdate``); made again from what the spreadsheet then holds, they
change nothing.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_pipeline import kpi
from integration_pipeline.publish import cells, placement
from integration_pipeline.publish.formulas import DATE, Place, is_missed
from integration_pipeline.publish.layout import Day, Layout
from integration_pipeline.publish.placement import Head, Rows
from integration_pipeline.publish.seen import SeenSheet

Request = dict[str, Any]

_FIRST_ROWS, _FIRST_COLUMNS = 400, 26
_MORE_ROWS = 500
_HEADER = {
    "textFormat": {"bold": True},
    "backgroundColor": {"red": 237 / 255, "green": 241 / 255, "blue": 247 / 255},
    "wrapStrategy": "WRAP",
    "verticalAlignment": "MIDDLE",
}
_HEADER_WRITTEN = (
    "userEnteredValue,note,userEnteredFormat.textFormat.bold,userEnteredFormat.backgroundColor,"
    "userEnteredFormat.wrapStrategy,userEnteredFormat.verticalAlignment"
)

BAD = {"red": 252 / 255, "green": 228 / 255, "blue": 226 / 255}
GOOD = {"red": 226 / 255, "green": 243 / 255, "blue": 229 / 255}
"""Also the mark by which a rule is known for one of ours: rules have no ids, and people add their own."""
_SHADE = 1 / 510
"""Half a step of the 256 in which Google keeps a colour."""

_CHART_WIDTH, _CHART_HEIGHT = 720, 340


@dataclass(frozen=True, slots=True)
class Change:
    """What to do with one sheet.

    :param duplicates: days with several rows, and these rows.
    """

    requests: Sequence[Request]
    duplicates: Mapping[dt.date, Sequence[int]]


def change(layout: Layout, sheet: SeenSheet | None, charts: frozenset[int], days: Sequence[Day]) -> Change:
    """Set up what is missing of the sheet, and write the days.

    :param sheet: None where there is none.
    :param charts: the ids of all charts of the spreadsheet.
    :raises PipelineError: the sheet cannot be written without guessing.
    """
    requests: list[Request] = []
    if sheet is None:
        sheet = _blank(layout, len(days))
        requests.append(_add_sheet(layout, sheet))
    header = placement.head(layout, sheet)
    rows = placement.rows(sheet, header, (day.day for day in days))
    anchor = max(header.columns.values()) + 2
    requests += _enough_columns(layout, sheet, anchor)
    requests += _titles(layout, header)
    requests += _enough_rows(layout, sheet, rows)
    requests += _days(layout, header, rows, {day.day: day for day in days})
    requests += _rules(layout, sheet, header)
    if layout.chart_id not in charts:
        requests.append(_add_chart(layout, header, anchor))
    return Change(requests, rows.duplicates)


def _blank(layout: Layout, days: int) -> SeenSheet:
    columns = max(_FIRST_COLUMNS, len(layout.fields) + 2)
    return SeenSheet(layout.title, max(_FIRST_ROWS, days + 100), columns, {}, ())


def _add_sheet(layout: Layout, sheet: SeenSheet) -> Request:
    grid = {"rowCount": sheet.rows, "columnCount": sheet.columns, "frozenRowCount": 1, "frozenColumnCount": 1}
    return {"addSheet": {"properties": {"sheetId": layout.sheet_id, "title": layout.title, "gridProperties": grid}}}


def _enough_columns(layout: Layout, sheet: SeenSheet, anchor: int) -> Iterator[Request]:
    if anchor >= sheet.columns:
        yield _append(layout, "COLUMNS", anchor + 1 - sheet.columns)


def _enough_rows(layout: Layout, sheet: SeenSheet, rows: Rows) -> Iterator[Request]:
    for start, length in rows.gaps:
        # Like the row below it, which is a day's: the one above might be the header.
        where = {"sheetId": layout.sheet_id, "dimension": "ROWS", "startIndex": start, "endIndex": start + length}
        yield {"insertDimension": {"range": where, "inheritFromBefore": False}}
    needed = max(rows.by_day.values(), default=0) + 1 - sheet.rows - sum(gap.length for gap in rows.gaps)
    if needed > 0:
        yield _append(layout, "ROWS", max(needed, _MORE_ROWS))


def _append(layout: Layout, dimension: str, length: int) -> Request:
    return {"appendDimension": {"sheetId": layout.sheet_id, "dimension": dimension, "length": length}}


def _titles(layout: Layout, header: Head) -> Iterator[Request]:
    notes = {field.title: field.note for field in layout.fields}
    titles = {header.columns[title]: title for title in header.missing}
    for run in placement.runs(titles):
        made = [
            {"userEnteredValue": {"stringValue": titles[at]}, "note": notes[titles[at]], "userEnteredFormat": _HEADER}
            for at in run
        ]
        yield _update(layout, header.row, run.start, [made], _HEADER_WRITTEN)


def _days(layout: Layout, header: Head, rows: Rows, days: Mapping[dt.date, Day]) -> Iterator[Request]:
    """Blocks of cells that touch nothing but our columns of these days' rows."""
    fields = {header.columns[field.title]: field for field in layout.fields}
    by_row = {row: days[day] for day, row in rows.by_day.items()}
    for down in placement.runs(by_row):
        for across in placement.runs(fields):
            block = [
                [fields[column].write(by_row[row], Place(row, header.columns)) for column in across] for row in down
            ]
            yield _update(layout, down.start, across.start, block, cells.WRITTEN)


def _update(layout: Layout, row: int, column: int, block: Sequence[Sequence[Any]], written: str) -> Request:
    start = {"sheetId": layout.sheet_id, "rowIndex": row, "columnIndex": column}
    return {"updateCells": {"start": start, "rows": [{"values": list(values)} for values in block], "fields": written}}


def _rules(layout: Layout, sheet: SeenSheet, header: Head) -> Iterator[Request]:
    """Take away those of our rules that are not (any more) what they should be, the last first, and add what is missing."""
    missing = list(_wanted_rules(layout, header))
    superfluous: list[int] = []
    for index, rule in enumerate(sheet.rules):
        same = next((wanted for wanted in missing if _is_same(wanted, rule, sheet)), None)
        if same is not None:
            missing.remove(same)
        elif _is_ours(rule):
            superfluous.append(index)
    for index in reversed(superfluous):
        yield {"deleteConditionalFormatRule": {"sheetId": layout.sheet_id, "index": index}}
    for rule in missing:
        yield {"addConditionalFormatRule": {"rule": rule, "index": 0}}


def _wanted_rules(layout: Layout, header: Head) -> Iterator[Request]:
    """Of the whole column, so that rows put in at its top belong to it; text (the header) and empty cells are no numbers."""
    for field in layout.fields:
        threshold = kpi.threshold(field.key) if field.key else None
        if threshold is None:
            continue
        column = header.columns[field.title]
        cell = f"{cells.letters(column)}1"
        yield _rule(layout, column, f"=AND(ISNUMBER({cell}),{is_missed(threshold, cell)})", BAD)
        if field.key == kpi.GOAL:
            yield _rule(layout, column, f"=AND(ISNUMBER({cell}),NOT({is_missed(threshold, cell)}))", GOOD)


def _rule(layout: Layout, column: int, formula: str, colour: Mapping[str, float]) -> Request:
    return {
        "ranges": [{"sheetId": layout.sheet_id, "startColumnIndex": column, "endColumnIndex": column + 1}],
        "booleanRule": {
            "condition": {"type": "CUSTOM_FORMULA", "values": [{"userEnteredValue": formula}]},
            "format": {"backgroundColor": dict(colour)},
        },
    }


def _is_same(wanted: Mapping[str, Any], found: Mapping[str, Any], sheet: SeenSheet) -> bool:
    one, other = wanted["booleanRule"], found.get("booleanRule", {})
    return (
        other.get("condition") == one["condition"]
        and _is_colour(other, one["format"]["backgroundColor"])
        and [_place(place, sheet) for place in found.get("ranges", [])] == [_place(p, sheet) for p in wanted["ranges"]]
    )


def _place(place: Mapping[str, int], sheet: SeenSheet) -> tuple[int, ...]:
    """A range in full: what is left out is the beginning and the end of the sheet."""
    return (
        place.get("startRowIndex", 0),
        min(place.get("endRowIndex", sheet.rows), sheet.rows),
        place.get("startColumnIndex", 0),
        min(place.get("endColumnIndex", sheet.columns), sheet.columns),
    )


def _is_ours(rule: Mapping[str, Any]) -> bool:
    return any(_is_colour(rule.get("booleanRule", {}), colour) for colour in (BAD, GOOD))


def _is_colour(rule: Mapping[str, Any], colour: Mapping[str, float]) -> bool:
    found = rule.get("format", {}).get("backgroundColor", {})
    return bool(found) and all(abs(found.get(part, 0.0) - colour[part]) < _SHADE for part in colour)


def _add_chart(layout: Layout, header: Head, anchor: int) -> Request:
    """Lines over the dates; without a last row they go as far as the days do."""

    def source(title: str) -> Request:
        column = header.columns[title]
        where = {
            "sheetId": layout.sheet_id,
            "startRowIndex": header.row,
            "startColumnIndex": column,
            "endColumnIndex": column + 1,
        }
        return {"sourceRange": {"sources": [where]}}

    basic = {
        "chartType": "LINE",
        "legendPosition": "BOTTOM_LEGEND",
        "headerCount": 1,
        "domains": [{"domain": source(DATE)}],
        "series": [{"series": source(title), "targetAxis": "LEFT_AXIS"} for title in layout.charted],
    }
    position = {
        "anchorCell": {"sheetId": layout.sheet_id, "rowIndex": header.row + 1, "columnIndex": anchor},
        "widthPixels": _CHART_WIDTH,
        "heightPixels": _CHART_HEIGHT,
    }
    chart = {"chartId": layout.chart_id, "spec": {"title": layout.chart_title, "basicChart": basic}}
    return {"addChart": {"chart": {**chart, "position": {"overlayPosition": position}}}}
