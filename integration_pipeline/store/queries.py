"""The named SQL files, wherever they are: beside the package in a checkout, inside it once installed."""

from functools import cache
from pathlib import Path
from typing import Any

from integration_pipeline.model import Connection

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def folder() -> Path:
    """The folder ``sql/``."""
    installed = _PACKAGE / "sql"
    return installed if installed.is_dir() else _PACKAGE.parent / "sql"


@cache
def sql(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return (folder() / f"{name}.sql").read_text(encoding="utf-8")


def keys(connection: Connection) -> dict[str, Any]:
    """The values that name a connection in every statement about it."""
    return {"tenant_id": connection.tenant_id, "system_type": connection.system}
