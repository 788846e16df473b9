"""CSV files, read strictly: what is wrong is said with its line.

Cells keep their text. A byte order mark, empty lines and any order of columns are accepted.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from integration_pipeline.errors import UsageError

LONGEST_ID_BYTES = 512

_AS_UTF_8 = 'in Excel, save it as "CSV UTF-8"'
_QUOTED = "a cell that begins with a quotation mark must end with one"

R = TypeVar("R")


class Columns(NamedTuple):
    """What a file's first line must and may name."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """What to do about a first line that does not."""
        may = f", and may name {', '.join(self.optional)}" if self.optional else ""
        return f"the first line names the columns, with commas between: {', '.join(self.required)}{may}"


def records(
    lines: Iterable[bytes],
    columns: Columns,
    read: Callable[[Mapping[str, str], int], R],
    identity: Callable[[R], object],
    *,
    name: str = "id",
) -> list[R]:
    """A file's records, no two of which are the same one's.

    :param lines: of a file opened in binary mode.
    :param read: a row's cells by column, and its line → the record.
    :param identity: what may stand in the file once.
    :param name: what people call that.
    :raises UsageError: names the line.
    """
    seen: dict[object, int] = {}
    found: list[R] = []
    for cells, line in _rows(lines, columns):
        record = read(cells, line)
        earlier = seen.setdefault(identity(record), line)
        if earlier != line:
            raise UsageError(f"line {line}: the same {name} as in line {earlier}")
        found.append(record)
    return found


def identifier(cells: Mapping[str, str], column: str, line: int) -> str:
    """A cell that names something.

    :raises UsageError: it is empty, or longer than any id.
    """
    value = cells[column]
    if not value.strip():
        raise UsageError(f"line {line}: {column} is empty")
    if len(value.encode()) > LONGEST_ID_BYTES:
        raise UsageError(f"line {line}: {column} is longer than {LONGEST_ID_BYTES} bytes")
    return value


def _rows(lines: Iterable[bytes], columns: Columns) -> Iterator[tuple[dict[str, str], int]]:
    reader = csv.reader(_decoded(lines), strict=True)
    begins = 1
    try:
        header = _header(next(reader, []), columns)
        begins = reader.line_num + 1
        for cells in reader:
            begins = reader.line_num + 1
            if not cells:
                continue
            if len(cells) != len(header):
                raise UsageError(f"line {reader.line_num}: {len(cells)} cells under {len(header)} columns")
            yield dict(zip(header, cells, strict=True)), reader.line_num
    except csv.Error as error:
        # Not where it was noticed: a quotation mark that nothing closes takes all that follows for its cell.
        raise UsageError(f"line {begins}: {error}", remedy=_QUOTED) from error


def _header(names: list[str], columns: Columns) -> list[str]:
    for name in columns.required:
        if name not in names:
            raise UsageError(f"line 1: the column {name} is missing", remedy=columns.in_words)
    for position, name in enumerate(names):
        if name not in columns.required + columns.optional:
            raise UsageError(f"line 1: there is no column {name!r}", remedy=columns.in_words)
        if name in names[:position]:
            raise UsageError(f"line 1: the column {name} stands there twice")
    return names


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"line {number}: not UTF-8", remedy=_AS_UTF_8) from None
        if "\0" in text:
            raise UsageError(f"line {number}: has a NUL character, which PostgreSQL cannot hold")
        yield text
