"""What the Sheets API answers of a spreadsheet: ``spreadsheets.get`` and the values of ranges, in Google's manners.

Zeros, ``false``, empty texts and empty lists are left out; rows end at their last value, and so do blocks.
"""

from collections.abc import Sequence
from typing import Any

from integration_pipeline.publish.sandbox import a1, masks
from integration_pipeline.publish.sandbox.book import Book, Sheet
from integration_pipeline.publish.sandbox.places import Refusal

Block = tuple[int, int, int, int]

_RENDERED = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")


def spreadsheet(book: Book, ranges: Sequence[str], mask: masks.Tree, *, with_data: bool) -> dict[str, Any]:
    """``spreadsheets.get``: of the sheets that the ranges are of, or of all.

    :raises Refusal: a range of no sheet.
    """
    blocks: dict[int, list[Block]] = {}
    for text in ranges:
        sheet, block = find(book, text)
        blocks.setdefault(sheet.sheet_id, []).append(block)
    shown = [sheet for sheet in book.sheets if not ranges or sheet.sheet_id in blocks]
    found: dict[str, Any] = masks.picked(
        {
            "spreadsheetId": book.spreadsheet_id,
            "properties": {"title": book.title, "locale": "ja_JP", "timeZone": "Asia/Tokyo"},
            "sheets": [
                _sheet(sheet, book.sheets.index(sheet), blocks.get(sheet.sheet_id), with_data=with_data)
                for sheet in shown
            ],
            "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{book.spreadsheet_id}/edit",
        },
        mask,
    )
    return found


def _sheet(sheet: Sheet, index: int, blocks: list[Block] | None, *, with_data: bool) -> dict[str, Any]:
    # A sheet's own id and index are there also where they are 0.
    answer: dict[str, Any] = {"properties": {**sheet.properties, "index": index}}
    if with_data:
        rows, columns = sheet.size
        answer["data"] = [_grid(sheet, block) for block in blocks or [(0, 0, rows, columns)]]
    if sheet.rules:
        answer["conditionalFormats"] = [
            {**rule, "ranges": [without_zeros(place) for place in rule["ranges"]]} for rule in sheet.rules
        ]
    if sheet.charts:
        answer["charts"] = [without_zeros(chart) for chart in sheet.charts]
    return answer


def _grid(sheet: Sheet, block: Block) -> dict[str, Any]:
    top, left, bottom, right = block
    inside = [place for place in sheet.cells if top <= place[0] < bottom and left <= place[1] < right]
    rows: list[dict[str, Any]] = []
    for row in range(top, max((row + 1 for row, _ in inside), default=top)):
        last = max((column + 1 for at, column in inside if at == row), default=left)
        values = [sheet.data(row, column) for column in range(left, last)]
        rows.append({"values": values} if values else {})
    found: dict[str, Any] = {"startRow": top, "startColumn": left}
    return {**without_zeros(found), **({"rowData": rows} if rows else {})}


def find(book: Book, text: str) -> tuple[Sheet, Block]:
    """The sheet and the block that a range names, cut to the grid.

    :raises Refusal: there is no such sheet, or it is no range.
    """
    title, cells = a1.split(text)
    sheet = next((sheet for sheet in book.sheets if sheet.title == title), None)
    if title is None and (named := next((sheet for sheet in book.sheets if sheet.title == text), None)):
        sheet, cells = named, ""
    elif title is None:
        sheet = book.sheets[0]
    area = a1.area(cells)
    if sheet is None or area is None:
        raise Refusal(f"Unable to parse range: {text}")
    rows, columns = sheet.size
    bottom, right = min(area.bottom or rows, rows), min(area.right or columns, columns)
    if area.top >= bottom or area.left >= right:
        raise Refusal(f"Range ({text}) exceeds grid limits. Max rows: {rows}, max columns: {columns}")
    return sheet, (area.top, area.left, bottom, right)


def values(book: Book, text: str, *, rendered: str, by_columns: bool) -> dict[str, Any]:
    """A ``ValueRange``.

    :raises Refusal: a range of no sheet, or an option that there is not.
    """
    if rendered not in _RENDERED:
        raise Refusal(f"Invalid value at 'value_render_option', \"{rendered}\"")
    sheet, block = find(book, text)
    top, left, bottom, right = block
    lines = [
        [_rendered(sheet, row, column, rendered) for column in range(left, right)]
        for row in range(top, min(bottom, sheet.used_rows))
    ]
    if by_columns:
        lines = [list(line) for line in zip(*lines, strict=True)]
    cut = [_cut(line) for line in lines]
    while cut and not cut[-1]:
        cut.pop()
    answer: dict[str, Any] = {
        "range": a1.name(sheet.title, block),
        "majorDimension": "COLUMNS" if by_columns else "ROWS",
    }
    return {**answer, "values": cut} if cut else answer


def _rendered(sheet: Sheet, row: int, column: int, rendered: str) -> Any:
    entered = sheet.cells.get((row, column), {}).get("userEnteredValue", {})
    if rendered == "FORMULA" and "formulaValue" in entered:
        return entered["formulaValue"]
    if rendered == "FORMATTED_VALUE":
        return sheet.shown(row, column)
    value = sheet.value(row, column)
    return "" if value is None else value


def _cut(line: list[Any]) -> list[Any]:
    last = max((at + 1 for at, value in enumerate(line) if value != ""), default=0)
    return line[:last]


def without_zeros(value: Any) -> Any:
    """As proto3 is written: what is zero, false or empty is left out."""
    if isinstance(value, list):
        return [without_zeros(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: without_zeros(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item not in (0, "", [], False)}
