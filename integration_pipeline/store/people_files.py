"""The CSV files of tenants and internal users."""

from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integration_pipeline.errors import UsageError
from integration_pipeline.store import csv_files
from integration_pipeline.store.csv_files import Columns, identifier
from integration_pipeline.store.people import InternalUser, Tenant

LOCALES = ("ja", "en")
_BOOLEANS = {"": True, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}

_TENANT = Columns(("tenant_id", "name"), ("time_zone", "locale"))
_USER = Columns(("tenant_id", "internal_user_id", "email", "employee_number", "display_name", "is_active"))


def parse_tenants(lines: Iterable[bytes]) -> list[Tenant]:
    """Tenants from the lines of a file opened in binary mode. Time zone and locale default to Asia/Tokyo and ja.

    :raises UsageError: names the line.
    """
    return csv_files.records(lines, _TENANT, _tenant, lambda tenant: tenant.tenant_id)


def parse_users(lines: Iterable[bytes]) -> list[InternalUser]:
    """Internal users from the lines of a file opened in binary mode. Empty cells are unknown; ``is_active`` is then true.

    :raises UsageError: names the line. Whether the tenants exist is the import's question.
    """
    return csv_files.records(lines, _USER, _user, lambda user: (user.tenant_id, user.internal_user_id))


def _tenant(cells: Mapping[str, str], line: int) -> Tenant:
    time_zone = cells.get("time_zone") or "Asia/Tokyo"
    locale = cells.get("locale") or LOCALES[0]
    if not cells["name"]:
        raise UsageError(f"line {line}: name is empty")
    if not _is_time_zone(time_zone):
        raise UsageError(f"line {line}: time_zone is no IANA time zone (such as Asia/Tokyo)")
    if locale not in LOCALES:
        raise UsageError(f"line {line}: locale must be one of {', '.join(LOCALES)}")
    return Tenant(identifier(cells, "tenant_id", line), cells["name"], time_zone, locale, line)


def _user(cells: Mapping[str, str], line: int) -> InternalUser:
    is_active = _BOOLEANS.get(cells["is_active"].strip().lower())
    if is_active is None:
        raise UsageError(f"line {line}: is_active must be one of true, false, 1, 0, yes, no")
    return InternalUser(
        tenant_id=identifier(cells, "tenant_id", line),
        internal_user_id=identifier(cells, "internal_user_id", line),
        email=cells["email"] or None,
        employee_number=cells["employee_number"] or None,
        display_name=cells["display_name"] or None,
        is_active=is_active,
        line=line,
    )


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
