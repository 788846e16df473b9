"""Changes on their way to the stage: made into COPY's text once, kept until the walk's end, and sent as they are.

    Change | Absence -> row -> Spool -> blocks -> COPY

A row is what :func:`integration_pipeline.diff.content` makes of a record, in COPY's escapes, with its hash and an
action after it: C = create, U = write the record's content, G = gone (only that is written).
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from integration_pipeline.diff import GONE, NULL, SEPARATOR, Absence, Change, escaped, words
from integration_pipeline.model import State

COPY_FORMAT = r"(DELIMITER E'\x1f', NULL E'\x1e')"

_BLOCK_BYTES = 64 * 1024
_IN_MEMORY_BYTES = 256 * 1024
"""For each of two parts: a thousand connections may be waiting at once, each with what it has read so far."""

_FIELD = re.compile(rf"((?:[^\\{SEPARATOR}]|\\.)*)(?:{SEPARATOR}|$)")
_ESCAPE = re.compile(r"\\(.)")


class Row(NamedTuple):
    """A row of the stage, read back."""

    listing: str
    key: str
    kind: str
    state: str
    reason: str | None
    values: tuple[str | None, ...]
    """The record's own columns, as text."""
    content_hash: int
    action: str
    deactivates: bool


def row_of(change: Change) -> str:
    """A changed record as a row. A record that is gone brings nothing but that."""
    record, listing, content, content_hash, is_new, _ = change
    if record.state is State.GONE:
        return as_row((listing, *record[:4], *(None for _ in record[4:]), content_hash, "G"))
    if "\\" in content or "\n" in content or "\r" in content:
        content = escaped(words(record, listing))
    return f"{content}{SEPARATOR}{content_hash}{SEPARATOR}{'C' if is_new else 'U'}"


def row_of_absence(absence: Absence, width: int) -> str:
    """A row that a complete listing did not hold. ``width``: how many columns records have."""
    named = (absence.listing, absence.key, absence.kind, State.GONE.value, "absent")
    return as_row((*named, *(None,) * width, GONE, "G"))


def as_row(values: Iterable[Any]) -> str:
    """Any values of a row, in its order."""
    return escaped([None if value is None else str(value) for value in values])


def _read(row: str, *, deactivates: bool) -> Row:
    # Nothing is escaped in nearly all of them.
    fields = _FIELD.findall(row)[:-1] if "\\" in row else row.split(SEPARATOR)
    listing, key, kind, state, reason, *values, content_hash, action = map(_unescaped, fields)
    assert listing and key and kind and state and content_hash and action  # noqa: PT018, S101 - none is ever null
    return Row(listing, key, kind, state, reason, tuple(values), int(content_hash), action, deactivates)


def _unescaped(field: str) -> str | None:
    if field == NULL:
        return None
    return _ESCAPE.sub(lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), field)


class Spool:
    """The rows of a walk, waiting for its end: a little in memory, the rest in private temporary files.

    What deactivates somebody waits apart from the rest, for the guard may hold it.

    :param batch_size: how many rows are buffered at a time on the way there.
    """

    def __init__(self, batch_size: int, *, max_memory_bytes: int = _IN_MEMORY_BYTES) -> None:
        self._others = _Part(batch_size, max_memory_bytes)
        self._deactivations = _Part(batch_size, max_memory_bytes)

    def add(self, row: str, *, deactivates: bool) -> None:
        (self._deactivations if deactivates else self._others).add(row)

    def blocks(self, *, is_held: bool = False) -> Iterator[bytes]:
        """All rows as COPY takes them; what deactivates is left out while the guard holds it."""
        yield from self._others.blocks()
        if not is_held:
            yield from self._deactivations.blocks()

    def rows(self, *, is_held: bool = False) -> Iterator[Row]:
        """The same to be looked at. One reading at a time: the next one begins anew."""
        for row in self._others.rows():
            yield _read(row, deactivates=False)
        if not is_held:
            yield from self.deactivations()

    def deactivations(self) -> Iterator[Row]:
        """What is left out while the guard holds it."""
        for row in self._deactivations.rows():
            yield _read(row, deactivates=True)

    def close(self) -> None:
        self._others.close()
        self._deactivations.close()


class _Part:
    """Rows one after the other, each with the end of its line."""

    def __init__(self, batch_size: int, max_memory_bytes: int) -> None:
        self._batch_size = batch_size
        self._buffer: list[str] = []
        self._file = tempfile.SpooledTemporaryFile(max_size=max_memory_bytes)  # noqa: SIM115 - closed by close()

    def add(self, row: str) -> None:
        self._buffer.append(row)
        if len(self._buffer) >= self._batch_size:
            self._flush()

    def blocks(self) -> Iterator[bytes]:
        self._rewind()
        while block := self._file.read(_BLOCK_BYTES):
            yield block

    def rows(self) -> Iterator[str]:
        self._rewind()
        for line in self._file:
            yield line[:-1].decode()

    def close(self) -> None:
        self._file.close()

    def _rewind(self) -> None:
        self._flush()
        self._file.seek(0)

    def _flush(self) -> None:
        if self._buffer:
            self._file.seek(0, 2)
            self._file.write(("\n".join(self._buffer) + "\n").encode())
            self._buffer.clear()
