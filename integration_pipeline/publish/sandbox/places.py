"""Where requests point to: a spreadsheet's sheets and their blocks, and Google's refusal where there is nothing."""

from collections.abc import Mapping
from typing import Any

from integration_pipeline.publish.sandbox.book import Book, Sheet

Request = Mapping[str, Any]
Reply = dict[str, Any]


class Refusal(Exception):
    """Google's 400, in its words."""


def sheet_of(book: Book, sheet_id: int) -> Sheet:
    found = book.find(sheet_id)
    if found is None:
        raise Refusal(f"No grid with id: {sheet_id}")
    return found


def block_of(sheet: Sheet, place: Mapping[str, int]) -> tuple[int, int, int, int]:
    rows, columns = sheet.size
    block = (
        place.get("startRowIndex", 0),
        place.get("startColumnIndex", 0),
        place.get("endRowIndex", rows),
        place.get("endColumnIndex", columns),
    )
    if not (0 <= block[0] < block[2] <= rows and 0 <= block[1] < block[3] <= columns):
        raise Refusal("Range exceeds grid limits, or is empty.")
    return block
