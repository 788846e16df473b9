"""A spreadsheet: sheets of cells, their rules and charts, and what moves when rows and columns do.

Cells are kept as the API writes them (``CellData``), by row and column from 0; what is empty is not there.
"""

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from integration_pipeline.publish.sandbox import a1
from integration_pipeline.publish.sandbox.formulas import evaluate
from integration_pipeline.publish.sandbox.functions import ERROR, Value
from integration_pipeline.publish.sandbox.moves import Cell, Shift, rewritten
from integration_pipeline.publish.sandbox.patterns import formatted

Move = Callable[[int], int | None]
"""A row or column → where it is now; None = it was deleted."""

_COUNTS = {"ROWS": "rowCount", "COLUMNS": "columnCount"}
_ERROR_TYPES = {"#DIV/0!": "DIVIDE_BY_ZERO", "#REF!": "REF", "#N/A": "N_A", "#NAME?": "NAME", "#NUM!": "NUM"}


@dataclass
class Sheet:
    """One sheet, as ``spreadsheets.get`` describes it but for its data."""

    properties: dict[str, Any]
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)
    charts: list[dict[str, Any]] = field(default_factory=list)
    _values: dict[tuple[int, int], Value] = field(default_factory=dict, repr=False)

    @property
    def sheet_id(self) -> int:
        return int(self.properties["sheetId"])

    @property
    def title(self) -> str:
        return str(self.properties["title"])

    @property
    def size(self) -> tuple[int, int]:
        grid = self.properties["gridProperties"]
        return grid["rowCount"], grid["columnCount"]

    @property
    def used_rows(self) -> int:
        return max((row + 1 for row, _ in self.cells), default=0)

    def put(self, row: int, column: int, cell: Mapping[str, Any]) -> None:
        """What a cell holds from now on."""
        self._values.clear()
        if cell:
            self.cells[row, column] = dict(cell)
        else:
            self.cells.pop((row, column), None)

    def type_in(self, row: int, column: int, value: float | str) -> None:
        """What a person types: text, a number, or a formula."""
        is_formula = isinstance(value, str) and value.startswith("=")
        kind = "formulaValue" if is_formula else "stringValue" if isinstance(value, str) else "numberValue"
        self.put(row, column, {**self.cells.get((row, column), {}), "userEnteredValue": {kind: value}})

    def value(self, row: int, column: int) -> Value:
        """What a cell comes to."""
        entered = self.cells.get((row, column), {}).get("userEnteredValue", {})
        if "formulaValue" not in entered:
            found: Value = next(iter(entered.values()), None)
            return found
        place = (row, column)
        if place not in self._values:
            self._values[place] = "#REF!"  # for a formula that asks for itself
            self._values[place] = evaluate(entered["formulaValue"], self.value, self.used_rows)
        return self._values[place]

    def shown(self, row: int, column: int) -> str:
        """What a person sees of it."""
        number_format = self.cells.get((row, column), {}).get("userEnteredFormat", {}).get("numberFormat", {})
        return formatted(self.value(row, column), number_format.get("pattern", ""))

    def data(self, row: int, column: int) -> Cell:
        """The cell as ``spreadsheets.get`` gives it."""
        cell = dict(self.cells.get((row, column), {}))
        if "userEnteredValue" in cell:
            is_formula = "formulaValue" in cell["userEnteredValue"]
            cell["effectiveValue"] = _effective(self.value(row, column), is_formula=is_formula)
            cell["formattedValue"] = self.shown(row, column)
        return cell

    def insert(self, dimension: str, start: int, count: int, *, inherits_before: bool) -> None:
        """Put rows or columns in; they look like the ones before them or after them."""
        self._move(dimension, lambda at: at + count if at >= start else at)
        self.properties["gridProperties"][_COUNTS[dimension]] += count
        model = start - 1 if inherits_before else start + count
        for (row, column), cell in list(self.cells.items()):
            if (row if dimension == "ROWS" else column) == model and "userEnteredFormat" in cell:
                for at in range(start, start + count):
                    place = (at, column) if dimension == "ROWS" else (row, at)
                    self.cells[place] = {"userEnteredFormat": copy.deepcopy(cell["userEnteredFormat"])}

    def delete(self, dimension: str, start: int, count: int) -> None:
        def moved(at: int) -> int | None:
            return at if at < start else at - count if at >= start + count else None

        self._move(dimension, moved)
        self.properties["gridProperties"][_COUNTS[dimension]] -= count

    def grow(self, dimension: str, count: int) -> None:
        self.properties["gridProperties"][_COUNTS[dimension]] += count

    def sort(self, block: tuple[int, int, int, int], column: int, *, is_descending: bool) -> None:
        """Sort rows by a column, empty cells last. What a formula says of its own row goes with it."""
        top, left, bottom, right = block
        filled = [row for row in range(top, bottom) if self.value(row, column) is not None]
        filled.sort(key=lambda row: _sort_key(self.value(row, column)), reverse=is_descending)
        order = filled + [row for row in range(top, bottom) if row not in filled]
        old = self.cells
        self.cells = {
            place: cell for place, cell in old.items() if not (top <= place[0] < bottom and left <= place[1] < right)
        }
        for (row, at), cell in old.items():
            if top <= row < bottom and left <= at < right:
                target = top + order.index(row)
                self.cells[target, at] = rewritten(cell, _relative(target - row), _relative(0))
        self._values.clear()

    def _move(self, dimension: str, move: Move) -> None:
        shift = Shift(self.sheet_id, dimension, move)
        moved: dict[tuple[int, int], Cell] = {}
        for (row, column), cell in self.cells.items():
            down, across = shift.row(row), shift.column(column)
            if down is not None and across is not None:
                moved[down, across] = shift.cell(cell)
        self.cells = moved
        self.rules = shift.rules(self.rules)
        self.charts = [shift.anything(chart) for chart in self.charts]
        self._values.clear()


@dataclass
class Book:
    """A spreadsheet, and who may do what with it.

    :param problem: ``deleted``, ``not_shared``, ``read_only``; None while all is well.
    """

    spreadsheet_id: str
    title: str
    owner: str
    """The service account it is shared with."""
    problem: str | None = None
    sheets: list[Sheet] = field(default_factory=list)
    revision: int = 0
    """How many updates took effect."""

    def sheet(self, title: str) -> Sheet:
        found = {sheet.title: sheet for sheet in self.sheets}
        return found[title]

    def find(self, sheet_id: int) -> Sheet | None:
        return next((sheet for sheet in self.sheets if sheet.sheet_id == sheet_id), None)

    def dump(self) -> str:
        """All of it as text, equal for equal spreadsheets."""
        sheets = [
            {
                "properties": sheet.properties,
                "cells": {
                    f"{a1.letters(column)}{row + 1}": sheet.cells[row, column] for row, column in sorted(sheet.cells)
                },
                "rules": sheet.rules,
                "charts": sheet.charts,
            }
            for sheet in self.sheets
        ]
        return json.dumps(sheets, ensure_ascii=False, sort_keys=True, indent=1)

    def table(self, title: str) -> list[list[str]]:
        """A sheet as people see it, its first row first, down to its last value."""
        sheet = self.sheet(title)
        columns = max((column + 1 for _, column in sheet.cells), default=0)
        return [[sheet.shown(row, column) for column in range(columns)] for row in range(sheet.used_rows)]


def new_sheet(sheet_id: int, title: str, *, rows: int = 1000, columns: int = 26) -> Sheet:
    grid = {"rowCount": rows, "columnCount": columns}
    return Sheet({"sheetId": sheet_id, "title": title, "sheetType": "GRID", "gridProperties": grid})


def _relative(by: int) -> a1.Mover:
    return lambda at, dollar: at if dollar else at + by


def _effective(value: Value, *, is_formula: bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, float | int):
        return {"numberValue": value}
    if is_formula and value in ERROR:
        return {"errorValue": {"type": _ERROR_TYPES.get(str(value), "ERROR"), "message": value}}
    return {"stringValue": value or ""}


def _sort_key(value: Value) -> tuple[int, float, str]:
    if isinstance(value, str):
        return (1, 0.0, value.casefold())
    return (0, float(value or 0), "")


def days(sheet: Sheet) -> Iterator[dt.date]:
    """The dates in a sheet's first column, from the top."""
    for row in range(sheet.used_rows):
        value = sheet.value(row, 0)
        if isinstance(value, float | int):
            yield dt.date(1899, 12, 30) + dt.timedelta(days=int(value))
