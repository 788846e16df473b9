"""gspread, pointed at a sandbox: the vendor's side of the contract, by a client that is not ours."""

import json
from typing import Any

import gspread
from google.oauth2.service_account import Credentials
from gspread.http_client import HTTPClient

from integration_pipeline.publish.sandbox.book import Book
from integration_pipeline.publish.sandbox.routes import Shared
from integration_pipeline.sandbox.server import Sandbox

SCOPE = "https://www.googleapis.com/auth/spreadsheets"


def entry(sandbox: Sandbox, tenant_id: str) -> dict[str, Any]:
    """The tenant's entry of ``spreadsheets import``."""
    found: list[dict[str, Any]] = json.loads(sandbox.world.spreadsheets_json())
    return next(one for one in found if one["tenant_id"] == tenant_id)


def book(sandbox: Sandbox, tenant_id: str = "tenant-0001") -> Book:
    shared = sandbox.world.workspace(tenant_id, "GOOGLE_SHEETS")
    assert isinstance(shared, Shared)
    return shared.book


def client(sandbox: Sandbox, tenant_id: str = "tenant-0001", scopes: str = SCOPE) -> gspread.Client:
    """The whole flow of a real gspread: assertion, token, calls."""
    base = sandbox.environment["INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL"].rstrip("/")

    class Local(HTTPClient):
        def request(self, method: str, endpoint: str, *rest: Any, **named: Any) -> Any:
            return super().request(method, endpoint.replace("https://sheets.googleapis.com", base, 1), *rest, **named)

    account = {
        **entry(sandbox, tenant_id)["service_account"],
        "token_uri": sandbox.environment["INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL"],
    }
    credentials = Credentials.from_service_account_info(account, scopes=[scopes])  # type: ignore[no-untyped-call]
    return gspread.Client(auth=credentials, http_client=Local)
