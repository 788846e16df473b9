"""What can go wrong at a provider, as data. A new fault is a line here; a new action is one of the sandbox's own."""

import datetime as dt
import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_SOON = "a date, half a minute from now"


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of the table.

    :param action: the sandbox's (``sandbox/plan.py``), with its settings in ``described``.
    :param takes_effect: the call is carried out although its answer is lost: a refresh token that works once is spent.
    :param ends_credentials: only a person can mend it.
    :param is_lie: an untrue answer in the documented form. No client can tell; what holds then is the guard's bound.
    :param is_slow: costs a real time-out.
    """

    name: str
    action: str
    described: Mapping[str, Any] = field(default_factory=dict)
    takes_effect: bool = False
    ends_credentials: bool = False
    is_lie: bool = False
    is_slow: bool = False

    def settings(self) -> dict[str, Any]:
        """For the sandbox."""
        described = dict(self.described)
        if described.get("retry_after") == _SOON:
            soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
            described["retry_after"] = email.utils.format_datetime(soon, usegmt=True)
        return described


def _limits() -> list[Fault]:
    asked = {
        "whole seconds": "7",
        "a float": "2.128",
        "a date": _SOON,
        "a date long ago": "Wed, 21 Oct 2015 07:28:00 GMT",
        "an absurd number": "99999999999999999999",
        "an absurd date": "Fri, 31 Dec 9999 23:59:59 GMT",
        "a word": "soon",
        "a negative number": "-5",
        "nothing": None,
    }
    return [Fault(f"429 that asks for {name}", "limit", {"retry_after": value}) for name, value in asked.items()]


def _statuses() -> list[Fault]:
    found = [
        Fault(f"{status} as {form}", action, {"status": status})
        for status in (500, 502, 503, 504)
        for form, action in (("JSON", "status"), ("HTML", "html"))
    ]
    plain = [Fault(f"{status}", "status", {"status": status}) for status in (400, 401, 403, 409)]
    # Of one thing: it was deleted since it was listed.
    gone = [Fault(f"{status}", "status", {"status": status}, is_lie=True) for status in (404, 410)]
    away = {"status": 307, "headers": {"Location": "https://elsewhere.example/"}}
    return [*found, *plain, *gone, Fault("307 to another host", "status", away)]


def _bodies() -> list[Fault]:
    bodies = {
        "an empty body": "",
        "null": "null",
        "a list": "[]",
        "an empty object": "{}",
        "a number": "1e999",
        "ten thousand brackets": "[" * 10_000,
        "half a surrogate pair": '{"ok":true,"members":[R],"value":[R],"users":[R]}'.replace(
            "R", '{"id":"\\ud83d","userId":"\\ud83d"}'
        ),
        "success and no rows": '{"ok":true}',
    }
    return [Fault(f"200 with {name}", "status", {"status": 200, "body": body or " "}) for name, body in bodies.items()]


def _rows() -> list[Fault]:
    wrong: Mapping[str, Mapping[str, Any]] = {
        "a name that is a list": {"name": [1], "displayName": [1], "userName": [1], "groupName": [1], "botName": [1]},
        "an id that is null": {"id": None, "userId": None, "groupId": None, "botId": None, "orgUnitId": None},
        "an id that is empty": dict.fromkeys(("id", "userId", "groupId", "orgUnitId"), ""),
    }
    # Whoever is listed under another id is not listed.
    other = {"fields": dict.fromkeys(("id", "userId", "groupId", "orgUnitId"), "x" * 1000), "row": 1}
    return [
        *(Fault(f"a row with {name}", "wrong_types", {"fields": fields, "row": 1}) for name, fields in wrong.items()),
        Fault("a row with another id, of a thousand letters", "wrong_types", other, is_lie=True),
    ]


FAULTS: tuple[Fault, ...] = (
    *_limits(),
    *_statuses(),
    *_bodies(),
    *_rows(),
    Fault("connection reset", "reset"),
    Fault("connection reset in the body", "reset_in_body", takes_effect=True),
    Fault("answer lost after the call took effect", "lose_reply", takes_effect=True),
    Fault("half of the JSON", "truncate", takes_effect=True),
    Fault("gzip that is none", "garble", takes_effect=True),
    Fault("HTML with 200", "html"),
    Fault("no answer at all", "hang", is_slow=True),
    Fault("an answer byte by byte", "drip", takes_effect=True, is_slow=True),
    Fault("the page before once more", "duplicate_page"),
    Fault("a row twice on its page", "duplicate_row", {"row": 2}),
    Fault("a cursor that leads in a circle", "cursor_loop"),
    Fault("no rows, and nothing follows", "empty", is_lie=True),
    Fault("the rest of the pages left out", "last", is_lie=True),
    Fault("the vendor's error, unknown to us", "error", {"code": "something_new"}),
    Fault("the vendor's error, internal", "error", {"code": "internal_error"}),
    Fault("access token expired in mid-walk", "expire_token"),
    Fault("the memory of changes lost", "forget"),
    Fault("credentials revoked", "revoke", {"code": "account_inactive"}, ends_credentials=True),
)
