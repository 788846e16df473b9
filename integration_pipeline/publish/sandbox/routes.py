"""The Sheets API (v4), imitated from Google's documentation and from what recordings of it show."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from integration_pipeline.publish.sandbox import answers, auth, masks, shapes, updates
from integration_pipeline.publish.sandbox.book import Book, new_sheet
from integration_pipeline.publish.sandbox.places import Refusal
from integration_pipeline.sandbox.plan import SPREADSHEETS, SystemPlan, TenantPlan
from integration_pipeline.sandbox.tables import Tables
from integration_pipeline.sandbox.vendor import Call, Limit, Mount, Over, Reply, Route, Vendor, Workspace, json_reply

_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}
_READS, _WRITES = Limit("Read requests", 60, 60), Limit("Write requests", 60, 60)
"""A minute and user ("Usage limits"); a service account is a user, and a batch is one request."""


class Shared(Workspace):
    """A tenant's spreadsheet, and the service account it is shared with."""

    def __init__(self, vendor: Vendor, tenant: TenantPlan, *, limits: bool) -> None:
        super().__init__(vendor, tenant, limits=limits)
        self.book = Book(
            auth.spreadsheet_id(tenant),
            f"{tenant.name} KPI",
            auth.client_email(tenant),
            sheets=[new_sheet(0, "シート1")],
        )
        if self.access.problem is None:
            self.book.problem = self.plan.problem


def refused(code: str, message: str, *, details: list[Any] | None = None) -> Reply:
    error: dict[str, Any] = {"code": _STATUSES.get(code, 500), "message": message, "status": code}
    return json_reply({"error": {**error, **({"details": details} if details else {})}}, error["code"])


def _invalid(message: str) -> Reply:
    violation = {"description": message}
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}]
    return refused("INVALID_ARGUMENT", message, details=details)


def _book(call: Call) -> Book:
    shared = call.at
    if not isinstance(shared, Shared):
        raise TypeError("this call is about no spreadsheet")
    return shared.book


def get(call: Call) -> Reply:
    ranges = [value for name, value in call.query if name == "ranges"]
    mask = call.asks("fields")
    tree = masks.parse(mask) if mask else {}
    asks_data = masks.wants(tree, "sheets", "data") if mask else call.asks("includeGridData") == "true"
    return json_reply(answers.spreadsheet(_book(call), ranges, tree, with_data=asks_data))


def values_get(call: Call) -> Reply:
    return json_reply(_values(call, call.params["range"]))


def values_batch_get(call: Call) -> Reply:
    ranges = [value for name, value in call.query if name == "ranges"]
    found = [_values(call, text) for text in ranges]
    return json_reply({"spreadsheetId": _book(call).spreadsheet_id, **({"valueRanges": found} if found else {})})


def _values(call: Call, text: str) -> Mapping[str, Any]:
    return answers.values(
        _book(call),
        text,
        rendered=call.asks("valueRenderOption") or "FORMATTED_VALUE",
        by_columns=call.asks("majorDimension") == "COLUMNS",
    )


def batch_update(call: Call) -> Reply:
    try:
        body = shapes.without_nulls(json.loads(call.body))
    except ValueError:
        return _invalid("Invalid JSON payload received. Expected a value.")
    problem = shapes.problem(body)
    if problem:
        return _invalid(problem)
    book = _book(call)
    replies = updates.apply(book, body.get("requests", []))
    return json_reply({"spreadsheetId": book.spreadsheet_id, "replies": answers.without_zeros(replies)})


def _answering(handle: Callable[[Call], Reply]) -> Callable[[Call], Reply]:
    def answer(call: Call) -> Reply:
        try:
            return handle(call)
        except Refusal as refusal:
            return refused("INVALID_ARGUMENT", str(refusal))
        except masks.MaskError:
            return _invalid("Request contains an invalid argument.")

    return answer


# The frame


def _identify(call: Call, route: Route) -> Workspace | None:
    return call.find(auth.issuer(call) if route.is_open else call.params.get("id", ""))


def _admit(call: Call, route: Route) -> Reply | None:
    if route.is_open:
        return None
    issued = auth.understood(call.bearer)
    account = call.find(issued.tenant_id) if issued else None
    if issued is None or account is None or account.access.problem or account.access.has_expired(issued, call.now):
        return refused(
            "UNAUTHENTICATED",
            "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
            "authentication credential.",
        )
    account.access.notice(issued)
    if auth.SCOPE not in issued.scopes:
        return refused("PERMISSION_DENIED", "Request had insufficient authentication scopes.")
    return _admit_to_book(call, route, account)


def _admit_to_book(call: Call, route: Route, account: Workspace) -> Reply | None:
    problem = _book(call).problem if call.workspace else "deleted"
    if problem == "disabled":
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
        }
        message = "Google Sheets API has not been used in project 1 before or it is disabled."
        return refused("PERMISSION_DENIED", message, details=[info])
    if problem == "deleted":
        return refused("NOT_FOUND", "Requested entity was not found.")
    is_shared = _book(call).owner == account.access.client_id
    if not is_shared or problem == "not_shared" or (problem == "read_only" and _WRITES in route.limits):
        return refused("PERMISSION_DENIED", "The caller does not have permission")
    return None


def _over(over: Over) -> Reply:
    return _too_many(None, over.limit.name)


def _too_many(retry_after: str | None, metric: str = _READS.name) -> Reply:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
    }
    reply = refused(
        "RESOURCE_EXHAUSTED",
        f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute per user' of service "
        "'sheets.googleapis.com' for consumer 'project_number:1'.",
        details=[info],
    )
    return reply if retry_after is None else reply.with_headers(Retry_After=retry_after)


def _no_tables(_tenant: TenantPlan, _plan: SystemPlan) -> Tables:
    raise LookupError("a spreadsheet has no accounts, teams or apps")


def _entry(workspace: Workspace, _now: float) -> Mapping[str, Any]:
    """The rest of an entry of ``spreadsheets import``."""
    return {
        "spreadsheet_id": auth.spreadsheet_id(workspace.tenant),
        "service_account": auth.service_account(workspace.tenant),
    }


_SHEETS = (
    Route(("GET",), "v4/spreadsheets/{id}", "GET /spreadsheets", "a spreadsheet, or what a field mask and ranges want of it",
          _answering(get), limits=(_READS,)),
    Route(("GET",), "v4/spreadsheets/{id}/values:batchGet", "GET /values:batchGet", "the values of several ranges",
          _answering(values_batch_get), limits=(_READS,)),
    Route(("GET",), "v4/spreadsheets/{id}/values/{range:path}", "GET /values", "the values of a range",
          _answering(values_get), limits=(_READS,)),
    Route(("POST",), "v4/spreadsheets/{id}:batchUpdate", "POST :batchUpdate", "changes of all kinds, all or none",
          _answering(batch_update), limits=(_WRITES,)),
)  # fmt: skip
_TOKEN = (Route(("POST",), "token", "POST /token", "JWT grant of a service account", auth.token, is_open=True),)

SANDBOX = Vendor(
    system=SPREADSHEETS,
    mounts=(
        Mount("/google-sheets/", _SHEETS, "INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL"),
        Mount("/google-oauth2/", _TOKEN, "INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL", "token"),
    ),
    populate=_no_tables,
    access=auth.access,
    names=lambda tenant: (auth.client_email(tenant), auth.spreadsheet_id(tenant)),
    connection=_entry,
    identify=_identify,
    admit=_admit,
    over=_over,
    error=lambda code, _status: refused(code, "The request failed."),
    too_many=_too_many,
    unknown=lambda _call: refused("NOT_FOUND", "Method not found."),
    workspace=Shared,
)
