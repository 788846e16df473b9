"""Faults: what goes wrong with a call before, instead of or after its answer (``plan.Fault`` says which there are)."""

import json
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Any, NamedTuple

from integration_pipeline.sandbox.plan import Fault
from integration_pipeline.sandbox.tables import overlay
from integration_pipeline.sandbox.vendor import Call, Reply, Route, Vendor, answer

_PLACES = frozenset({"cursor", "skiptoken"})
_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>Service Unavailable</title></head><body>Please try again later.</body></html>"
)


class Delivery(Enum):
    """What becomes of a reply on its way."""

    WHOLE = "whole"
    NEVER = "never"
    SLOWLY = "slowly"
    CUT_BEFORE = "cut before"
    CUT_WITHIN = "cut within"


_DELIVERIES = {
    "hang": Delivery.NEVER,
    "drip": Delivery.SLOWLY,
    "reset": Delivery.CUT_BEFORE,
    "lose_reply": Delivery.CUT_BEFORE,
    "reset_in_body": Delivery.CUT_WITHIN,
}


class Played(NamedTuple):
    reply: Reply
    delivery: Delivery


class Faults:
    """The world's faults, met by every call. What it remembers of the last pages makes loops and duplicates possible."""

    def __init__(self, rules: list[Fault]) -> None:
        self._rules = rules
        self._last_page: dict[object, dict[str, Any]] = {}

    def add(self, action: str, **described: Any) -> Fault:
        """Script one more: ``faults.add("status", status=503, system="SLACK", route="users.list", nth=2)``."""
        rule = Fault.model_validate({"action": action, **described})
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """All is well from now on."""
        self._rules.clear()

    def play(self, vendor: Vendor, route: Route, call: Call) -> Played:
        """The answer to a call, with the first fault that meets it. Every fault counts the call."""
        tenant_id = call.workspace.tenant_id if call.workspace else None
        met = [rule for rule in self._rules if rule.meets(system=vendor.system, route=route.name, tenant_id=tenant_id)]
        if not met:
            reply = answer(vendor, route, call)
        else:
            reply = _instead(met[0], vendor) or self._edited(met[0], vendor, route, call)
        if self._rules:
            self._remember(_walk(vendor, route, call), reply)
        return Played(reply, _DELIVERIES.get(met[0].action, Delivery.WHOLE) if met else Delivery.WHOLE)

    def _edited(self, rule: Fault, vendor: Vendor, route: Route, call: Call) -> Reply:
        access = call.workspace.access if call.workspace else None
        if access and rule.action == "expire_token":
            access.expire()
        if access and rule.action == "revoke":
            access.problem = rule.code
        if call.workspace and rule.action == "forget":
            for table in call.workspace.tables:
                table.forget()
        reply = answer(vendor, route, call)
        before = self._last_page.get(_walk(vendor, route, call), {})
        if rule.action == "truncate":
            text = reply.plain()
            return replace(reply, body=text[: len(text) // 2], is_zipped=False)
        if rule.action == "garble":
            return Reply(reply.status, reply.plain(), {**reply.headers, "content-encoding": "gzip"})
        edit = _EDITS.get(rule.action)
        if edit is None or not reply.headers.get("content-type", "").startswith("application/json"):
            return reply
        body = json.loads(reply.plain())
        edit(rule, body, before)
        return replace(reply, body=json.dumps(body, ensure_ascii=False).encode(), is_zipped=False)

    def _remember(self, key: object, reply: Reply) -> None:
        if any(rule.action in ("cursor_loop", "duplicate_page") for rule in self._rules) and reply.body:
            try:
                self._last_page[key] = json.loads(reply.plain())
            except ValueError:
                self._last_page.pop(key, None)


def _walk(vendor: Vendor, route: Route, call: Call) -> object:
    """Which listing a call reads a page of: everything it asks for but the place in it."""
    asked = frozenset(pair for pair in call.query if pair[0].lstrip("$") not in _PLACES)
    return vendor.system, route.name, call.workspace and call.workspace.tenant_id, call.path, asked


def _instead(rule: Fault, vendor: Vendor) -> Reply | None:
    """The reply of a fault that comes instead of an answer, if it is one."""
    if rule.action == "status":
        body = rule.body.encode() or vendor.error("internal_error", rule.status).body
        return Reply(rule.status or 500, body, {"content-type": "application/json", **rule.headers})
    if rule.action == "error":
        reply = vendor.error(rule.code or "internal_error", rule.status)
        return replace(reply, headers={**reply.headers, **rule.headers})
    if rule.action == "limit":
        reply = vendor.too_many(rule.retry_after)
        return replace(reply, headers={**reply.headers, **rule.headers})
    if rule.action == "html":
        return Reply(rule.status or 200, _HTML, {"content-type": "text/html; charset=utf-8", **rule.headers})
    if rule.action in ("hang", "reset"):
        return Reply(200, b"")
    return None


def _rows_name(body: dict[str, Any]) -> str | None:
    """The key of a page's rows: the one that holds a list."""
    return next((name for name, value in body.items() if isinstance(value, list)), None)


def _next_cursor(body: dict[str, Any]) -> Any:
    if "@odata.nextLink" in body:
        return body["@odata.nextLink"]
    below = body.get("response_metadata") or body.get("responseMetaData") or {}
    return below.get("next_cursor") or below.get("nextCursor")


def _set_next_cursor(body: dict[str, Any], cursor: Any) -> None:
    if "response_metadata" in body:
        body["response_metadata"] = {"next_cursor": cursor or ""}
    elif "responseMetaData" in body:
        body["responseMetaData"] = {"nextCursor": cursor or None}
    elif cursor:
        body["@odata.nextLink"] = cursor
    else:
        body.pop("@odata.nextLink", None)


def _cursor_loop(_rule: Fault, body: dict[str, Any], before: dict[str, Any]) -> None:
    _set_next_cursor(body, _next_cursor(before) or _next_cursor(body))


def _duplicate_page(_rule: Fault, body: dict[str, Any], before: dict[str, Any]) -> None:
    name = _rows_name(body)
    if name and name in before:
        body[name] = before[name]


def _empty(_rule: Fault, body: dict[str, Any], _before: dict[str, Any]) -> None:
    name = _rows_name(body)
    if name:
        body[name] = []
    _set_next_cursor(body, None)


def _last(_rule: Fault, body: dict[str, Any], _before: dict[str, Any]) -> None:
    _set_next_cursor(body, None)


def _wrong_types(rule: Fault, body: dict[str, Any], _before: dict[str, Any]) -> None:
    rows = body[_rows_name(body) or ""] if _rows_name(body) else []
    if rule.row < len(rows):
        rows[rule.row] = overlay(rows[rule.row], rule.fields)


def _duplicate_row(rule: Fault, body: dict[str, Any], _before: dict[str, Any]) -> None:
    rows = body[_rows_name(body) or ""] if _rows_name(body) else []
    if rule.row < len(rows):
        rows.append(rows[rule.row])


_EDITS: dict[str, Callable[[Fault, dict[str, Any], dict[str, Any]], None]] = {
    "cursor_loop": _cursor_loop,
    "duplicate_page": _duplicate_page,
    "duplicate_row": _duplicate_row,
    "empty": _empty,
    "last": _last,
    "wrong_types": _wrong_types,
}
