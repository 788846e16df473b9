"""Whether a spreadsheet says what the database does: one read of both sheets, cell by cell.

Only what the pipeline writes as values is compared. Formulas are Google's to compute, other columns are people's.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from integration_pipeline.publish import cells, placement, seen
from integration_pipeline.publish.formulas import DATE, Place
from integration_pipeline.publish.google import Google
from integration_pipeline.publish.layout import Day, Layout
from integration_pipeline.publish.placement import Head
from integration_pipeline.publish.seen import SeenSheet


def differences(
    google: Google,
    spreadsheet_id: str,
    layouts: Sequence[Layout],
    titles: Mapping[int, str],
    days: Sequence[Day],
) -> Iterator[str]:
    """What differs, in words, a line for each cell or day.

    :param titles: what the sheets are called, by their ids.
    :raises PipelineError: the spreadsheet cannot be read.
    """
    ranges = ["'" + title.replace("'", "''") + "'" for title in titles.values()]
    found = seen.read(google.get(spreadsheet_id, fields=seen.FIELDS, ranges=ranges))
    for layout in layouts:
        sheet = found.sheets.get(layout.sheet_id)
        if sheet is None:
            yield f'the sheet "{layout.title}" is gone'
        else:
            yield from compare(layout, sheet, days)


def compare(layout: Layout, sheet: SeenSheet, days: Sequence[Day]) -> Iterator[str]:
    """One sheet against the days. Pure.

    :raises PipelineError: it has no header.
    """
    header = placement.head(layout, sheet)
    for title in header.missing:
        yield f'"{sheet.title}": the column {title} is gone'
    rows = _rows(sheet, header)
    for day in days:
        places = rows.get(day.day, [])
        if len(places) != 1:
            yield f'"{sheet.title}": {day.day} has {len(places)} rows'
            continue
        for field in layout.fields:
            wanted = field.write(day, Place(places[0], header.columns)).get("userEnteredValue", {})
            if field.title in header.missing or "formulaValue" in wanted:
                continue
            value = next(iter(wanted.values()), None)
            found = sheet.cells.get((places[0], header.columns[field.title]))
            if found != value:
                yield f'"{sheet.title}": {day.day} has {_said(found)} for {field.title}, not {_said(value)}'


def _rows(sheet: SeenSheet, header: Head) -> Mapping[dt.date, Sequence[int]]:
    """Every day that the sheet has, with its rows."""
    found: dict[dt.date, list[int]] = {}
    for (row, column), value in sorted(sheet.cells.items(), key=lambda cell: cell[0]):
        day = cells.day_of(value) if column == header.columns[DATE] and row > header.row else None
        if day is not None:
            found.setdefault(day, []).append(row)
    return found


def _said(value: object) -> str:
    if isinstance(value, float | int):
        return str(value).removesuffix(".0")
    return "nothing" if value is None else f"{value!r}"
