"""What rows and columns that come, go or change places do to formulas, rules and charts."""

from collections.abc import Callable
from typing import Any, NamedTuple

from integration_pipeline.publish.sandbox import a1

Cell = dict[str, Any]

_SIDES = {"ROWS": ("startRowIndex", "endRowIndex"), "COLUMNS": ("startColumnIndex", "endColumnIndex")}
_BLOCK = {"startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"}


class Shift(NamedTuple):
    """Rows or columns of a sheet that are somewhere else now.

    :param move: a row or column → where it is now; None = it was deleted.
    """

    sheet_id: int
    dimension: str
    move: Callable[[int], int | None]

    def row(self, at: int, _dollar: str = "") -> int | None:
        return self.move(at) if self.dimension == "ROWS" else at

    def column(self, at: int, _dollar: str = "") -> int | None:
        return at if self.dimension == "ROWS" else self.move(at)

    def cell(self, cell: Cell) -> Cell:
        return rewritten(cell, self.row, self.column)

    def rules(self, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Conditional formats: their ranges and their formulas; one whose cells are gone is gone."""
        moved: list[dict[str, Any]] = [self.anything(rule) for rule in rules]
        return [rule for rule in moved if rule["ranges"]]

    def anything(self, value: Any) -> Any:
        """Anything with ranges or conditions in it; a range that is gone leaves its list."""
        if isinstance(value, list):
            return [item for item in map(self.anything, value) if item is not None]
        if not isinstance(value, dict):
            return value
        if value.keys() & _BLOCK:
            return self._range(value) if value.get("sheetId", 0) == self.sheet_id else value
        moved = {name: self.anything(item) for name, item in value.items()}
        if "userEnteredValue" in moved:
            moved["userEnteredValue"] = a1.moved(moved["userEnteredValue"], self.row, self.column)
        return moved

    def _range(self, block: dict[str, int]) -> dict[str, int] | None:
        first, last = _SIDES[self.dimension]
        moved = dict(block)
        if last in block:
            ends = [at for at in map(self.move, range(block.get(first, 0), block[last])) if at is not None]
            if not ends:
                return None
            moved[first], moved[last] = ends[0], ends[-1] + 1
        elif first in block:
            start = self.move(block[first])
            moved[first] = block[first] if start is None else start
        return moved


def rewritten(cell: Cell, row: a1.Mover, column: a1.Mover) -> Cell:
    """A cell whose formula says the same of where things are now."""
    formula = cell.get("userEnteredValue", {}).get("formulaValue")
    if formula is None:
        return cell
    return {**cell, "userEnteredValue": {"formulaValue": a1.moved(formula, row, column)}}
