"""The CSV files of tenants and internal users, read strictly: what is wrong is said with its line.

Cells keep their text. A byte order mark, empty lines and any order of columns are accepted.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integration_pipeline.errors import UsageError
from integration_pipeline.store.people import InternalUser, Tenant

LONGEST_ID_BYTES = 512
LOCALES = ("ja", "en")
_BOOLEANS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

R = TypeVar("R", Tenant, InternalUser)


class _Columns(NamedTuple):
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


_TENANT = _Columns(("tenant_id", "name"), ("time_zone", "locale"))
_USER = _Columns(("tenant_id", "internal_user_id", "email", "employee_number", "display_name", "is_active"))


def parse_tenants(lines: Iterable[bytes]) -> list[Tenant]:
    """Tenants from the lines of a file opened in binary mode. Time zone and locale default to Asia/Tokyo and ja.

    :raises UsageError: names the line.
    """
    return _unique(_rows(lines, _TENANT), _tenant, lambda tenant: tenant.tenant_id)


def parse_users(lines: Iterable[bytes]) -> list[InternalUser]:
    """Internal users from the lines of a file opened in binary mode. Empty cells are unknown; ``is_active`` is then true.

    :raises UsageError: names the line. Whether the tenants exist is the import's question.
    """
    return _unique(_rows(lines, _USER), _user, lambda user: (user.tenant_id, user.internal_user_id))


def _tenant(cells: Mapping[str, str], line: int) -> Tenant:
    time_zone = cells.get("time_zone") or "Asia/Tokyo"
    locale = cells.get("locale") or LOCALES[0]
    if not cells["name"]:
        raise UsageError(f"line {line}: name is empty")
    if not _is_time_zone(time_zone):
        raise UsageError(f"line {line}: time_zone is no IANA time zone (such as Asia/Tokyo)")
    if locale not in LOCALES:
        raise UsageError(f"line {line}: locale must be one of {', '.join(LOCALES)}")
    return Tenant(_id(cells, "tenant_id", line), cells["name"], time_zone, locale, line)


def _user(cells: Mapping[str, str], line: int) -> InternalUser:
    is_active = _BOOLEANS.get(cells["is_active"].strip().lower())
    if is_active is None:
        raise UsageError(f"line {line}: is_active must be one of true, false, 1, 0, yes, no")
    return InternalUser(
        tenant_id=_id(cells, "tenant_id", line),
        internal_user_id=_id(cells, "internal_user_id", line),
        email=cells["email"] or None,
        employee_number=cells["employee_number"] or None,
        display_name=cells["display_name"] or None,
        is_active=is_active,
        line=line,
    )


def _id(cells: Mapping[str, str], column: str, line: int) -> str:
    value = cells[column]
    if not value.strip():
        raise UsageError(f"line {line}: {column} is empty")
    if len(value.encode()) > LONGEST_ID_BYTES:
        raise UsageError(f"line {line}: {column} is longer than {LONGEST_ID_BYTES} bytes")
    return value


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _unique(
    rows: Iterator[tuple[dict[str, str], int]],
    read: Callable[[Mapping[str, str], int], R],
    identity: Callable[[R], object],
) -> list[R]:
    seen: dict[object, int] = {}
    records: list[R] = []
    for cells, line in rows:
        record = read(cells, line)
        earlier = seen.setdefault(identity(record), line)
        if earlier != line:
            raise UsageError(f"line {line}: the same id as in line {earlier}")
        records.append(record)
    return records


def _rows(lines: Iterable[bytes], columns: _Columns) -> Iterator[tuple[dict[str, str], int]]:
    reader = csv.reader(_decoded(lines), strict=True)
    try:
        header = _header(next(reader, []), columns)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                raise UsageError(f"line {reader.line_num}: {len(cells)} cells under {len(header)} columns")
            yield dict(zip(header, cells, strict=True)), reader.line_num
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num}: {error}") from error


def _header(names: list[str], columns: _Columns) -> list[str]:
    for name in columns.required:
        if name not in names:
            raise UsageError(f"line 1: the column {name} is missing")
    for position, name in enumerate(names):
        if name not in columns.required + columns.optional:
            raise UsageError(f"line 1: there is no column {name!r}")
        if name in names[:position]:
            raise UsageError(f"line 1: the column {name} stands there twice")
    return names


def _decoded(lines: Iterable[bytes]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"line {number}: not UTF-8") from None
        if "\0" in text:
            raise UsageError(f"line {number}: has a NUL character, which PostgreSQL cannot hold")
        yield text
