"""Graph's manners, imitated: errors, ``$select``, pages and delta (learn.microsoft.com/graph, "Paging", "Delta query")."""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from integration_pipeline.providers.teams.sandbox.auth import TRACE
from integration_pipeline.sandbox.tables import Account, Table, Team
from integration_pipeline.sandbox.vendor import Call, Reply, cut, json_reply

_NOT_FOR_COLLECTIONS = frozenset(
    {"aboutMe", "birthday", "hireDate", "interests", "mailboxSettings", "mySite", "skills"}
)
_DELTA_PAGE = 200
_DELTA_DAYS = 7


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    stamp = "2026-11-21T00:00:00"
    inner = {"date": stamp, "request-id": TRACE, "client-request-id": TRACE}
    return json_reply({"error": {"code": code, "message": message, "innerError": inner}}, status, headers)


def bad_request(message: str) -> Reply:
    return error(400, "BadRequest", message)


def _token(position: str) -> str:
    return base64.urlsafe_b64encode(b"RFNwdAIAAQ" + position.encode()).decode().rstrip("=")


def _position(token: str | None) -> str:
    if token is None:
        return "0"
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.removeprefix("RFNwdAIAAQ")


def _link(call: Call, position: str, name: str = "$skiptoken") -> str:
    """An absolute address to go on by: the arguments of this call, and where it stopped."""
    tokens = ("$skiptoken=", "%24skiptoken=", "$deltatoken=", "%24deltatoken=")
    kept = [part for part in call.raw_query.split("&") if part and not part.startswith(tokens)]
    return f"{call.mount_url}{call.path}?{'&'.join([*kept, f'{name}={_token(position)}'])}"


def selected(call: Call, known: Iterable[str], defaults: Iterable[str]) -> tuple[str, ...] | Reply:
    """The properties to return. An unselected one is absent, which is not the same as null."""
    select = call.asks("$select")
    if not select:
        return tuple(defaults)
    names = tuple(name.strip() for name in select.split(","))
    if _NOT_FOR_COLLECTIONS.intersection(names):
        return error(501, "NotImplemented", "The requested property cannot be returned within a user collection.")
    unknown = [name for name in names if name not in known and name != "members"]
    if unknown:
        return bad_request(f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'.")
    return names if "id" in names else ("id", *names)


def collection(call: Call, rows: list[Any], write: Callable[[Any], dict[str, Any]], largest: int = 999) -> Reply:
    """A page of a collection, each row with the properties selected."""
    top = call.asks("$top")
    if top is not None and not (top.isdecimal() and 1 <= int(top) <= largest):
        return bad_request(f"Invalid page size specified: '{top}'. Must be between 1 and {largest} inclusive.")
    page = cut(len(rows), _position(call.asks("$skiptoken")), int(top or 100), call.at.plan)
    if page is None:
        return error(400, "Request_BadRequest", "The skip token is not valid.")

    def make() -> Reply:
        body: dict[str, Any] = {"@odata.context": f"{call.mount_url}/$metadata#{call.path.strip('/')}"}
        if call.asks("$count") == "true" and page.start == 0:
            body["@odata.count"] = len(rows)
        if page.next_position is not None:
            body["@odata.nextLink"] = _link(call, page.next_position)
        body["value"] = [write(row) for row in rows[page.start : page.stop]]
        return json_reply(body)

    return call.at.page((call.path, call.raw_query, call.mount_url), make)


def keep(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


class _Walk(NamedTuple):
    """Where a delta query stands: changes after ``since`` (-1 = everything there is) up to ``until``."""

    era: str
    """Of which world and memory its versions are; in any other they mean nothing."""
    since: int
    until: int
    asked_at: int
    position: str


def _walk(call: Call, table: Table[Account] | Table[Team]) -> _Walk | None:
    """What a delta query asks for; None where its token is of no use any more."""
    token = call.asks("$deltatoken") or call.asks("$skiptoken")
    here = f"{call.at.origin}-{table.era}"
    if token is None:
        return _Walk(here, -1, table.version, int(call.now), "0")
    if token == "latest":  # noqa: S105 - Graph's word for "from now on"
        return _Walk(here, table.version, table.version, int(call.now), "0")
    try:
        era, since, until, asked_at, position = _position(token).split(".")
        walk = _Walk(era, int(since), int(until), int(asked_at), position)
    except ValueError:
        return None
    is_unknown = walk.era != here or walk.until > table.version  # what changed before a restart is not remembered
    if is_unknown or call.now - walk.asked_at > _DELTA_DAYS * 86_400:
        return None
    # A delta token asks for what came after its round; a skip token goes on with the round.
    if call.asks("$deltatoken"):
        return walk._replace(since=walk.until, until=table.version, asked_at=int(call.now), position="0")
    return walk


def _changed(table: Table[Account] | Table[Team], walk: _Walk, kinds: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """The rows of a round: id, and why it is gone where it is."""
    if walk.since < 0:
        return [(row.id, None) for row in table.rows(*kinds)]
    last: dict[str, str | None] = {}
    for change in table.changes:
        if walk.since < change.version <= walk.until and (not kinds or change.kind in kinds):
            last.pop(change.id, None)
            last[change.id] = change.removed
    return list(last.items())


def delta(call: Call, table: Table[Any], kinds: tuple[str, ...], write: Callable[[Any], dict[str, Any]]) -> Reply:
    """Changes since a token, then a link to ask for the next ones by.

    Properties that were never set are left out; those that were, and are no more, are null.
    """
    if any(call.asks(name) for name in ("$top", "$orderby", "$expand")):
        return bad_request("Query option is not supported with delta.")
    walk = _walk(call, table)
    if walk is None:
        message = (
            "The sync state generation is not found. The delta token is expired and data must be synchronized again."
        )
        return error(400, "syncStateNotFound", message)
    rows = _changed(table, walk, kinds)
    page = cut(len(rows), walk.position, _DELTA_PAGE, call.at.plan)
    if page is None:
        return bad_request("The skip token is not valid.")
    earlier: dict[str, set[str]] = {key: set() for key, _ in rows[page.start : page.stop]}
    for change in table.changes:
        if change.before is not None and change.id in earlier:
            earlier[change.id] |= {name for name, found in write(change.before).items() if found is not None}
    value: list[dict[str, Any]] = []
    for key, removed in rows[page.start : page.stop]:
        row = table.get(key)
        if removed or row is None:
            value.append({"id": key, "@removed": {"reason": removed or "deleted"}})
        else:
            written = write(row).items()
            value.append({name: found for name, found in written if found is not None or name in earlier[key]})
    following = page.next_position
    place = ".".join(str(part) for part in walk[:-1]) + f".{following or 0}"
    link = _link(call, place, "$skiptoken" if following else "$deltatoken")
    name = "@odata.nextLink" if following else "@odata.deltaLink"
    return json_reply(
        {"@odata.context": f"{call.mount_url}/$metadata#{call.path.strip('/')}", name: link, "value": value}
    )
