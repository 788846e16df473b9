"""Every statement that the pipeline sends, with whose it is, to be sent again by somebody else."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from integration_pipeline.store.engine import Asking

WORKER = "integration_pipeline_worker"


class Statement(NamedTuple):
    """A statement as it was sent; ``copied`` are the rows or blocks that went into a COPY, None where it is none."""

    text: str
    values: Any
    copied: list[Any] | None = None


@dataclass
class Stretch:
    """What one transaction did as one role, for one tenant; the operator's has none."""

    role: str
    tenant_id: str
    statements: list[Statement] = field(default_factory=list)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(statement.text for statement in self.statements)


@dataclass
class Recording:
    """What was sent, in the order in which each session sent it."""

    stretches: list[Stretch] = field(default_factory=list)
    _open: WeakKeyDictionary[psycopg.Connection[Any], Stretch] = field(default_factory=WeakKeyDictionary)
    """By session: the number of one that is gone may be another's tomorrow."""

    def of_worker(self, tenant_id: str) -> list[Stretch]:
        """What was done as this tenant's worker, everything that reads differently once."""
        own = (each for each in self.stretches if each.role == WORKER and each.tenant_id == tenant_id)
        return list({each.texts: each for each in own if each.statements}.values())

    @property
    def texts(self) -> set[str]:
        return {text for stretch in self.stretches for text in stretch.texts}

    def add(self, cursor: psycopg.Cursor[Any], query: Any, values: Any, copied: list[Any] | None = None) -> None:
        text = _text(query, cursor)
        if "set_config('role'" in text:
            role, tenant_id = _taken(text)
            self._open[cursor.connection] = Stretch(role, tenant_id)
            self.stretches.append(self._open[cursor.connection])
        elif cursor.connection in self._open:
            self._open[cursor.connection].statements.append(Statement(text, values, copied))


def _taken(text: str) -> tuple[str, str]:
    """The role and the tenant that a transaction takes; a test that looks at everything takes the login's own."""
    if "app.tenant_id" not in text:
        return "", ""
    parts = text.split("'")
    return parts[parts.index("role") + 2], parts[parts.index("app.tenant_id") + 2]


def _text(query: Any, cursor: psycopg.Cursor[Any]) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(cursor)
    return query.decode() if isinstance(query, bytes) else str(query)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recording]:
    """Listen to every session of this process."""
    recording = Recording()
    execute, copy, stream = psycopg.Cursor.execute, psycopg.Cursor.copy, psycopg.Cursor.stream
    ask = Asking.execute

    def asked(cursor: Asking, query: Any, values: Any = None, **more: Any) -> Any:
        found = ask(cursor, query, values, **more)  # its message begins as every transaction does
        recording.add(cursor, query, values)
        return found

    def executed(cursor: psycopg.Cursor[Any], query: Any, values: Any = None, **more: Any) -> Any:
        recording.add(cursor, query, values)
        return execute(cursor, query, values, **more)

    def streamed(cursor: psycopg.Cursor[Any], query: Any, values: Any = None, **more: Any) -> Any:
        recording.add(cursor, query, values)
        return stream(cursor, query, values, **more)

    @contextmanager
    def copied(cursor: psycopg.Cursor[Any], query: Any, values: Any = None, **more: Any) -> Iterator[Any]:
        rows: list[Any] = []
        recording.add(cursor, query, values, rows)
        with copy(cursor, query, values, **more) as found:
            for name in ("write", "write_row"):
                setattr(found, name, _heard(getattr(found, name), rows))
            yield found

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", executed)
        patch.setattr(Asking, "execute", asked)
        patch.setattr(psycopg.Cursor, "stream", streamed)
        patch.setattr(psycopg.Cursor, "copy", copied)
        yield recording


def _heard(write: Callable[[Any], None], rows: list[Any]) -> Callable[[Any], None]:
    def writes(row: Any) -> None:
        rows.append(row)
        write(row)

    return writes


def sent_again(cursor: psycopg.Cursor[TupleRow], statement: Statement) -> list[TupleRow] | psycopg.Error:
    """What comes of a statement now, in whoever's transaction this is: rows, or why it is refused."""
    cursor.execute("SAVEPOINT attempt")
    try:
        rows = _sent(cursor, statement)
    except psycopg.Error as error:
        cursor.execute("ROLLBACK TO SAVEPOINT attempt")
        return error
    return rows


def _sent(cursor: psycopg.Cursor[TupleRow], statement: Statement) -> list[TupleRow]:
    if statement.copied is None:
        cursor.execute(statement.text.encode(), statement.values)
        return cursor.fetchall() if cursor.description else []
    with cursor.copy(statement.text.encode(), statement.values) as copy:
        if " FROM STDIN" in statement.text:
            for row in statement.copied:
                copy.write(row) if isinstance(row, bytes | str) else copy.write_row(row)
            return []
        return [tuple(row) for row in copy.rows()]


def texts_of(values: Any) -> Iterator[Any]:
    """A statement's own values, flat."""
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from texts_of(value)
    else:
        yield values
