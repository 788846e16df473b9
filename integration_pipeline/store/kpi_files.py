"""The CSV file of progress KPIs: a line for each tenant and day, an empty cell for what is unknown."""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping

from integration_pipeline.errors import UsageError
from integration_pipeline.store import csv_files
from integration_pipeline.store.csv_files import Columns, identifier
from integration_pipeline.store.kpis import PROGRESS, Progress

_COLUMNS = Columns(("tenant_id", "day", *PROGRESS))
# float() alone would take infinities, underscores, and digits of any script; fromisoformat() a date without hyphens.
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_progress(lines: Iterable[bytes], highest: Mapping[str, float], whole: Collection[str]) -> list[Progress]:
    """Progress KPIs from the lines of a file opened in binary mode.

    :param highest: column → the highest value it may have, where it has one. None may be negative.
    :param whole: the columns that hold whole numbers.
    :raises UsageError: names the line and the column. Whether the tenants exist is the import's question.
    """

    def read(cells: Mapping[str, str], line: int) -> Progress:
        numbers = (_number(cells, column, line, highest.get(column), is_whole=column in whole) for column in PROGRESS)
        return Progress(identifier(cells, "tenant_id", line), _day(cells["day"].strip(), line), tuple(numbers), line)

    return csv_files.records(
        lines, _COLUMNS, read, lambda progress: (progress.tenant_id, progress.day), name="tenant and day"
    )


def _day(text: str, line: int) -> dt.date:
    try:
        if _DAY.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"line {line}: day is no day like 2026-11-21")


def _number(cells: Mapping[str, str], column: str, line: int, highest: float | None, *, is_whole: bool) -> float | None:
    text = cells[column].strip()
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"line {line}: {column} is no number like 12 or 12.5")
    value = float(text)
    if is_whole and not value.is_integer():
        raise UsageError(f"line {line}: {column} is no whole number")
    if highest is not None and value > highest:
        raise UsageError(f"line {line}: {column} is more than {highest:g}")
    return value
