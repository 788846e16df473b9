"""``spreadsheets.batchUpdate``: all of the requests or none.

Each is checked and carried out on a copy, which becomes the spreadsheet when all of them went well.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integration_pipeline.publish.sandbox import decorations, masks
from integration_pipeline.publish.sandbox.book import Book, Sheet, new_sheet
from integration_pipeline.publish.sandbox.places import Refusal, Reply, Request, block_of, sheet_of

_LARGEST_ID = 2**31 - 1
_MOST_CELLS = 10_000_000


def apply(book: Book, requests: Sequence[Request]) -> list[Reply]:
    """Carry out all of the requests or none.

    :raises Refusal: one of them cannot be carried out.
    """
    if not requests:
        raise Refusal("Must specify at least one request.")
    draft = copy.deepcopy(book)
    replies: list[Reply] = []
    for number, request in enumerate(requests):
        if len(request) != 1:
            raise Refusal(f"Invalid value at 'requests[{number}]': exactly one kind of request must be set.")
        ((kind, content),) = request.items()
        try:
            replies.append(_HANDLERS[kind](draft, content) or {})
        except Refusal as refusal:
            raise Refusal(f"Invalid requests[{number}].{kind}: {refusal}") from None
        except masks.MaskError:
            raise Refusal(f"Invalid requests[{number}].{kind}: Invalid field mask.") from None
    book.sheets = draft.sheets
    book.revision += 1
    return replies


def _add_sheet(book: Book, request: Request) -> Reply:
    wanted = request.get("properties", {})
    sheet_id = wanted.get("sheetId", max((sheet.sheet_id for sheet in book.sheets), default=0) + 1)
    title = wanted.get("title", f"Sheet{len(book.sheets) + 1}")
    if not 0 <= sheet_id <= _LARGEST_ID:
        raise Refusal(f"Sheet ID {sheet_id} is out of range.")
    if book.find(sheet_id):
        raise Refusal(f"A sheet with the ID {sheet_id} already exists. Please use another ID.")
    _check_title(book, title)
    sheet = new_sheet(sheet_id, title)
    sheet.properties["gridProperties"] |= wanted.get("gridProperties", {})
    book.sheets.append(sheet)
    _check_size(book)
    return {"addSheet": {"properties": {**sheet.properties, "index": len(book.sheets) - 1}}}


def _check_title(book: Book, title: str) -> None:
    # Google compares titles without regard to case.
    if any(sheet.title.casefold() == title.casefold() for sheet in book.sheets):
        raise Refusal(f'A sheet with the name "{title}" already exists. Please enter another name.')


def _check_size(book: Book) -> None:
    if sum(rows * columns for rows, columns in (sheet.size for sheet in book.sheets)) > _MOST_CELLS:
        raise Refusal("This action would increase the number of cells in the workbook above the limit.")


def _delete_sheet(book: Book, request: Request) -> None:
    sheet = sheet_of(book, request.get("sheetId", 0))
    if len(book.sheets) == 1:
        raise Refusal("You can't remove all the sheets in a document.")
    book.sheets.remove(sheet)


def _update_sheet_properties(book: Book, request: Request) -> None:
    wanted = request.get("properties", {})
    sheet = sheet_of(book, wanted.get("sheetId", 0))
    tree = _mask(request)
    if "title" in tree and wanted.get("title") != sheet.title:
        _check_title(book, wanted.get("title", ""))
    sheet.properties = masks.merged(sheet.properties, {**sheet.properties, **wanted}, tree) | {
        "sheetId": sheet.sheet_id
    }


def _mask(request: Request) -> masks.Tree:
    if not request.get("fields"):
        raise Refusal("At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)")
    return masks.parse(request["fields"])


def _update_cells(book: Book, request: Request) -> None:
    tree = _mask(request)
    if ("start" in request) == ("range" in request):
        raise Refusal("Exactly one of start and range must be set.")
    where = request.get("start") or {}
    if "range" in request:
        where = {
            "sheetId": request["range"].get("sheetId", 0),
            "rowIndex": request["range"].get("startRowIndex", 0),
            "columnIndex": request["range"].get("startColumnIndex", 0),
        }
    sheet = sheet_of(book, where.get("sheetId", 0))
    for row, found in enumerate(request.get("rows", []), start=where.get("rowIndex", 0)):
        for column, cell in enumerate(found.get("values", []), start=where.get("columnIndex", 0)):
            _write(sheet, row, column, cell, tree)


def _write(sheet: Sheet, row: int, column: int, cell: Mapping[str, Any], tree: masks.Tree) -> None:
    rows, columns = sheet.size
    if not (0 <= row < rows and 0 <= column < columns):
        raise Refusal(
            f"Attempting to write row: {row}, column: {column}, beyond the last requested one, exceeds grid limits."
        )
    if len(cell.get("userEnteredValue", {})) > 1:
        raise Refusal("Only one kind of value may be set.")
    formula = cell.get("userEnteredValue", {}).get("formulaValue")
    if formula is not None and not formula.startswith("="):
        raise Refusal("formulaValue must start with '='.")
    sheet.put(row, column, masks.merged(sheet.cells.get((row, column), {}), cell, tree))


def _repeat_cell(book: Book, request: Request) -> None:
    tree = _mask(request)
    sheet = sheet_of(book, request["range"].get("sheetId", 0))
    top, left, bottom, right = block_of(sheet, request["range"])
    for row in range(top, bottom):
        for column in range(left, right):
            _write(sheet, row, column, request.get("cell", {}), tree)


def _append_dimension(book: Book, request: Request) -> None:
    sheet = sheet_of(book, request.get("sheetId", 0))
    if request.get("length", 0) < 1:
        raise Refusal("length must be at least 1.")
    sheet.grow(_dimension(request), request["length"])
    _check_size(book)


def _dimension(request: Request) -> str:
    if request.get("dimension") not in ("ROWS", "COLUMNS"):
        raise Refusal("dimension must be ROWS or COLUMNS.")
    return str(request["dimension"])


def _span(book: Book, request: Request) -> tuple[Sheet, str, int, int]:
    place = request.get("range", {})
    sheet = sheet_of(book, place.get("sheetId", 0))
    dimension = _dimension(place)
    start, end = place.get("startIndex", 0), place.get("endIndex", 0)
    size = sheet.size[0 if dimension == "ROWS" else 1]
    if not 0 <= start < end or start > size:
        raise Refusal("The range is empty or beyond the grid.")
    return sheet, dimension, start, end - start


def _insert_dimension(book: Book, request: Request) -> None:
    sheet, dimension, start, count = _span(book, request)
    inherits_before = request.get("inheritFromBefore", False)
    if inherits_before and start == 0:
        raise Refusal("inheritFromBefore cannot be true if inserting at the first row or column.")
    sheet.insert(dimension, start, count, inherits_before=inherits_before)
    _check_size(book)


def _delete_dimension(book: Book, request: Request) -> None:
    sheet, dimension, start, count = _span(book, request)
    if count >= sheet.size[0 if dimension == "ROWS" else 1]:
        raise Refusal(f"You can't delete all the {dimension.lower()} on the sheet.")
    sheet.delete(dimension, start, count)


def _sort_range(book: Book, request: Request) -> None:
    sheet = sheet_of(book, request["range"].get("sheetId", 0))
    for spec in reversed(request.get("sortSpecs", [])):
        is_descending = spec.get("sortOrder") == "DESCENDING"
        sheet.sort(block_of(sheet, request["range"]), spec.get("dimensionIndex", 0), is_descending=is_descending)


_HANDLERS: Mapping[str, Callable[[Book, Request], Reply | None]] = {
    "addSheet": _add_sheet,
    "deleteSheet": _delete_sheet,
    "updateSheetProperties": _update_sheet_properties,
    "updateCells": _update_cells,
    "repeatCell": _repeat_cell,
    "appendDimension": _append_dimension,
    "insertDimension": _insert_dimension,
    "deleteDimension": _delete_dimension,
    "sortRange": _sort_range,
    "addConditionalFormatRule": decorations.add_rule,
    "updateConditionalFormatRule": decorations.update_rule,
    "deleteConditionalFormatRule": decorations.delete_rule,
    "addChart": decorations.add_chart,
    "updateChartSpec": decorations.update_chart,
    "deleteEmbeddedObject": decorations.delete_object,
}
