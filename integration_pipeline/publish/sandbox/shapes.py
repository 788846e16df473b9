"""The JSON that is understood: the part of the Sheets API's schemas (v4) that is imitated; everything else is refused.

A test compares this with Google's discovery document, name by name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

SHAPES: Mapping[str, Mapping[str, str]] = {
    "BatchUpdateSpreadsheetRequest": {"requests": "[Request]", "includeSpreadsheetInResponse": "boolean"},
    "Request": {
        "addSheet": "AddSheetRequest",
        "deleteSheet": "DeleteSheetRequest",
        "updateSheetProperties": "UpdateSheetPropertiesRequest",
        "updateCells": "UpdateCellsRequest",
        "repeatCell": "RepeatCellRequest",
        "appendDimension": "AppendDimensionRequest",
        "insertDimension": "InsertDimensionRequest",
        "deleteDimension": "DeleteDimensionRequest",
        "sortRange": "SortRangeRequest",
        "addConditionalFormatRule": "AddConditionalFormatRuleRequest",
        "updateConditionalFormatRule": "UpdateConditionalFormatRuleRequest",
        "deleteConditionalFormatRule": "DeleteConditionalFormatRuleRequest",
        "addChart": "AddChartRequest",
        "updateChartSpec": "UpdateChartSpecRequest",
        "deleteEmbeddedObject": "DeleteEmbeddedObjectRequest",
    },
    "AddSheetRequest": {"properties": "SheetProperties"},
    "DeleteSheetRequest": {"sheetId": "integer"},
    "UpdateSheetPropertiesRequest": {"properties": "SheetProperties", "fields": "string"},
    "UpdateCellsRequest": {
        "rows": "[RowData]",
        "fields": "string",
        "start": "GridCoordinate",
        "range": "GridRange",
    },
    "RepeatCellRequest": {"range": "GridRange", "cell": "CellData", "fields": "string"},
    "AppendDimensionRequest": {"sheetId": "integer", "dimension": "string", "length": "integer"},
    "InsertDimensionRequest": {"range": "DimensionRange", "inheritFromBefore": "boolean"},
    "DeleteDimensionRequest": {"range": "DimensionRange"},
    "SortRangeRequest": {"range": "GridRange", "sortSpecs": "[SortSpec]"},
    "AddConditionalFormatRuleRequest": {"rule": "ConditionalFormatRule", "index": "integer"},
    "UpdateConditionalFormatRuleRequest": {
        "index": "integer",
        "sheetId": "integer",
        "rule": "ConditionalFormatRule",
        "newIndex": "integer",
    },
    "DeleteConditionalFormatRuleRequest": {"index": "integer", "sheetId": "integer"},
    "AddChartRequest": {"chart": "EmbeddedChart"},
    "UpdateChartSpecRequest": {"chartId": "integer", "spec": "ChartSpec"},
    "DeleteEmbeddedObjectRequest": {"objectId": "integer"},
    "SheetProperties": {
        "sheetId": "integer",
        "title": "string",
        "index": "integer",
        "sheetType": "string",
        "gridProperties": "GridProperties",
        "hidden": "boolean",
    },
    "GridProperties": {
        "rowCount": "integer",
        "columnCount": "integer",
        "frozenRowCount": "integer",
        "frozenColumnCount": "integer",
    },
    "GridCoordinate": {"sheetId": "integer", "rowIndex": "integer", "columnIndex": "integer"},
    "GridRange": {
        "sheetId": "integer",
        "startRowIndex": "integer",
        "endRowIndex": "integer",
        "startColumnIndex": "integer",
        "endColumnIndex": "integer",
    },
    "DimensionRange": {"sheetId": "integer", "dimension": "string", "startIndex": "integer", "endIndex": "integer"},
    "SortSpec": {"dimensionIndex": "integer", "sortOrder": "string"},
    "RowData": {"values": "[CellData]"},
    "CellData": {"userEnteredValue": "ExtendedValue", "userEnteredFormat": "CellFormat", "note": "string"},
    "ExtendedValue": {
        "numberValue": "number",
        "stringValue": "string",
        "boolValue": "boolean",
        "formulaValue": "string",
    },
    "CellFormat": {
        "numberFormat": "NumberFormat",
        "backgroundColor": "Color",
        "textFormat": "TextFormat",
        "horizontalAlignment": "string",
        "verticalAlignment": "string",
        "wrapStrategy": "string",
    },
    "NumberFormat": {"type": "string", "pattern": "string"},
    "TextFormat": {
        "bold": "boolean",
        "italic": "boolean",
        "strikethrough": "boolean",
        "fontSize": "integer",
        "foregroundColor": "Color",
    },
    "Color": {"red": "number", "green": "number", "blue": "number", "alpha": "number"},
    "ConditionalFormatRule": {"ranges": "[GridRange]", "booleanRule": "BooleanRule"},
    "BooleanRule": {"condition": "BooleanCondition", "format": "CellFormat"},
    "BooleanCondition": {"type": "string", "values": "[ConditionValue]"},
    "ConditionValue": {"userEnteredValue": "string"},
    "EmbeddedChart": {"chartId": "integer", "spec": "ChartSpec", "position": "EmbeddedObjectPosition"},
    "EmbeddedObjectPosition": {"overlayPosition": "OverlayPosition"},
    "OverlayPosition": {
        "anchorCell": "GridCoordinate",
        "offsetXPixels": "integer",
        "offsetYPixels": "integer",
        "widthPixels": "integer",
        "heightPixels": "integer",
    },
    "ChartSpec": {"title": "string", "subtitle": "string", "basicChart": "BasicChartSpec"},
    "BasicChartSpec": {
        "chartType": "string",
        "legendPosition": "string",
        "headerCount": "integer",
        "interpolateNulls": "boolean",
        "domains": "[BasicChartDomain]",
        "series": "[BasicChartSeries]",
        "axis": "[BasicChartAxis]",
    },
    "BasicChartDomain": {"domain": "ChartData"},
    "BasicChartSeries": {"series": "ChartData", "targetAxis": "string"},
    "BasicChartAxis": {"position": "string", "title": "string"},
    "ChartData": {"sourceRange": "ChartSourceRange"},
    "ChartSourceRange": {"sources": "[GridRange]"},
}

_PLAIN: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "boolean": (bool,),
}


def problem(value: Any, shape: str = "BatchUpdateSpreadsheetRequest", place: str = "") -> str | None:
    """What Google says of JSON that is not of this shape; None when it is. Null counts as left out."""
    return next(_problems(value, shape, place), None)


def _problems(value: Any, shape: str, place: str) -> Iterator[str]:
    if shape.startswith("["):
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            yield from _problems(item, shape[1:-1], f"{place}[{number}]")
        return
    if shape in _PLAIN:
        is_bool = isinstance(value, bool)
        if not isinstance(value, _PLAIN[shape]) or (is_bool and shape != "boolean"):
            yield f"Invalid value at '{place}' (TYPE_{shape.upper()}), {value!r}"
        return
    if not isinstance(value, dict):
        yield f"Invalid value at '{place}' (type.googleapis.com/google.apps.sheets.v4.{shape}), {value!r}"
        return
    fields = SHAPES[shape]
    for name, item in value.items():
        at = f"{place}.{_snake(name)}".lstrip(".")
        if name not in fields:
            yield f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
        elif item is not None:
            yield from _problems(item, fields[name], at)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
