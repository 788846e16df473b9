"""What a spreadsheet holds, as one ``spreadsheets.get`` says it, read so that nothing missing is taken for an error.

Absent keys are zeros (proto3), rows are cut at their last value, and of several ranges the parts may overlap.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integration_pipeline.errors import InvalidResponse

HEAD_ROWS = 10
"""In how many rows from the top the header is looked for: people put a title above it."""

FIELDS = (
    "sheets(properties(sheetId,title,gridProperties(rowCount,columnCount)),conditionalFormats,charts(chartId),"
    "data(startRow,startColumn,rowData(values(effectiveValue))))"
)
"""All that a publishing must know; with the ranges of :func:`ranges`, no more cells than it takes."""
ONLY_SHEETS = "sheets(properties(sheetId,title),charts(chartId))"
"""The same without looking into any sheet: it cannot be refused for a title that is gone."""


@dataclass(frozen=True, slots=True)
class SeenSheet:
    """One sheet.

    :param cells: the values of those cells that were asked for, by row and column from 0.
    :param rules: its conditional formats, in their order.
    """

    title: str
    rows: int
    columns: int
    cells: Mapping[tuple[int, int], float | str | bool]
    rules: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The sheets that were asked for, by their ids, and the charts on them."""

    sheets: Mapping[int, SeenSheet]
    charts: frozenset[int]


def ranges(title: str, column: str = "A") -> list[str]:
    """The ranges of one sheet that say where its days and its columns are."""
    name = "'" + title.replace("'", "''") + "'"
    return [f"{name}!{column}:{column}", f"{name}!1:{HEAD_ROWS}"]


def read(answer: Any) -> Seen:
    """:raises InvalidResponse: it is no answer of Google's."""
    try:
        sheets = answer.get("sheets", [])
        return Seen(
            {sheet["properties"].get("sheetId", 0): _sheet(sheet) for sheet in sheets},
            frozenset(chart["chartId"] for sheet in sheets for chart in sheet.get("charts", [])),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # Its text might quote a cell.
        raise InvalidResponse(f"a spreadsheet that cannot be read ({type(error).__name__})") from None


def _sheet(sheet: Mapping[str, Any]) -> SeenSheet:
    grid = sheet["properties"].get("gridProperties", {})
    return SeenSheet(
        title=sheet["properties"]["title"],
        rows=grid.get("rowCount", 0),
        columns=grid.get("columnCount", 0),
        cells={place: value for part in sheet.get("data", []) for place, value in _values(part)},
        rules=tuple(sheet.get("conditionalFormats", [])),
    )


def _values(part: Mapping[str, Any]) -> Iterator[tuple[tuple[int, int], float | str | bool]]:
    top, left = part.get("startRow", 0), part.get("startColumn", 0)
    for row, found in enumerate(part.get("rowData", []), start=top):
        for column, cell in enumerate(found.get("values", []), start=left):
            for value in cell.get("effectiveValue", {}).values():
                # An error's value is an object, and there all the same.
                yield (row, column), value if isinstance(value, float | int | str | bool) else "#ERROR!"
