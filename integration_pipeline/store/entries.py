"""One entry of a connections file: the contract's JSON, checked strictly; what is wrong is named, never quoted."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from integration_pipeline.errors import UsageError
from integration_pipeline.model import System
from integration_pipeline.provider import Option, Provider
from integration_pipeline.settings import Settings, check_api_endpoint

LARGEST_INTEGER = 2**31 - 1
DEEPEST = 20
"""Levels of lists and objects in a file. A whole entry has four."""
_TOO_DEEP = "nested too deep: entries are objects in one list"


def _at_least(lowest: int, highest: int = LARGEST_INTEGER) -> Callable[[Any], str | None]:
    def problem(value: Any) -> str | None:
        if type(value) is int and lowest <= value <= highest:
            return None
        return f"must be a whole number from {lowest} to {highest}"

    return problem


COMMON_OPTIONS = (
    Option("page_size", "how many records to ask for at a time, below the provider's own most", _at_least(1)),
    Option("guard_max_removed", "removals above this number wait for a person; only to be raised", _at_least(10)),
    Option(
        "guard_max_removed_percent",
        "removals above this share of the active rows wait for a person; only to be raised",
        _at_least(20, 100),
    ),
)
"""The options every provider's connections have (contract, "connections import")."""

_FIRST_MOMENT, _LAST_MOMENT = dt.datetime(1970, 1, 1, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""Beyond years 1 and 9999, in whatever time zone a session has, a stored moment could not be read any more, by anybody
who lists connections."""

_Secret = Annotated[SecretStr | None, Field(min_length=1)]
_Text = Annotated[str | None, Field(min_length=1)]


class Entry(BaseModel):
    """The contract's entry. What it does not know, it refuses: a misspelt setting must not pass for its default."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    tenant_id: str
    system_type: str
    client_id: _Text = None
    client_secret: _Secret = None
    access_token: _Secret = None
    refresh_token: _Secret = None
    token_expires_at: Annotated[AwareDatetime | None, Field(strict=False, ge=_FIRST_MOMENT, le=_LAST_MOMENT)] = None
    api_endpoint: _Text = None
    sync_enabled: bool = True
    sync_users: bool = True
    sync_teams: bool = True
    sync_notifications: bool = True
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    api_rate_limit: Annotated[int, Field(ge=1, le=LARGEST_INTEGER)] = 60
    retry_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    options: dict[str, Any] = Field(default_factory=dict)


def parse_entries(text: bytes) -> Any:
    """The JSON of a file.

    :raises UsageError: it is none; names line and column.
    """
    try:
        found = json.loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise UsageError(f"line {line}: not UTF-8") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise UsageError(_TOO_DEEP) from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise UsageError("holds a number that is too long") from None
    _check_depth(found)
    return found


def _check_depth(found: Any) -> None:
    """Level by level: what is nested deeper than Python calls itself is read by some versions' parsers, and then by nobody."""
    level = [found]
    for _ in range(DEEPEST):
        level = [part for item in level for part in _parts(item)]
        if not level:
            return
    raise UsageError(_TOO_DEEP)


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def check(raw: Any, known: Mapping[System, Provider], tenants: set[str], settings: Settings) -> tuple[Entry, Provider]:
    """The entry, without the options that say nothing, and its provider.

    :param known: system → provider, for all that exist.
    :param tenants: the ids of all tenants.
    :raises UsageError: the first thing that is wrong with it by itself.
    """
    if not isinstance(raw, dict):
        raise UsageError("not an object")
    _check_text(raw, "")
    try:
        entry = Entry.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise UsageError(f"{place}: {said}") from None
    if entry.token_expires_at is not None and entry.access_token is None:
        raise UsageError("token_expires_at: tells of an access_token, and there is none here")
    provider = known.get(System(entry.system_type))
    if provider is None:
        raise UsageError(f"system_type must be one of {', '.join(known)}")
    if entry.tenant_id not in tenants:
        raise UsageError("there is no such tenant; `tenants import` adds one")
    if entry.api_endpoint is not None:
        entry = entry.model_copy(
            update={"api_endpoint": check_api_endpoint(entry.api_endpoint, provider.api, settings)}
        )
    return entry.model_copy(update={"options": _checked_options(entry.options, provider)}), provider


def _checked_options(options: Mapping[str, Any], provider: Provider) -> dict[str, Any]:
    """The options that say something: null counts as left out."""
    possible = {option.name: option for option in (*provider.options, *COMMON_OPTIONS)}
    said = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in possible:
            raise UsageError(f"options.{name}: there is no such option; there are {', '.join(possible)}")
    for name, value in said.items():
        option = possible[name]
        problem = "must be text" if option.is_secret and not isinstance(value, str) else option.check(value)
        if problem is not None:
            raise UsageError(f"options.{name}: {problem}")
    return said


def _check_text(value: Any, place: str) -> None:
    """Refuse what PostgreSQL's text and jsonb cannot hold."""
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= character <= "\udfff" for character in value)):
        raise UsageError(f"{place}: holds a character that cannot be stored")
    if isinstance(value, float):
        raise UsageError(f"{place}: no setting is a fraction")
    if isinstance(value, list):
        for item in value:
            _check_text(item, place)
    if isinstance(value, dict):
        for name, item in value.items():
            _check_text(name, "a name")
            _check_text(item, f"{place}.{name}".strip("."))
