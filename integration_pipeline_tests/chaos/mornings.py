"""Faults at Google while KPIs are published: one row for each day, and after the next publishing the same sheet."""

import datetime as dt
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

from integration_pipeline_tests.chaos import invariants
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.faults import FAULTS, Fault
from integration_pipeline_tests.chaos.ground import Call, Ground
from integration_pipeline_tests.publish.morning import TODAY, Morning, morning

MOMENTS = ("token", "read", "write")
SHEETS = ("KPI Tracking", "Integration KPIs")
OF_LISTINGS = frozenset(
    {"duplicate_page", "duplicate_row", "cursor_loop", "empty", "last", "wrong_types", "expire_token", "forget"}
)
"""What goes wrong in pages of rows and in feeds of changes, and there are none here."""

_DAYS = {"first": TODAY - dt.timedelta(days=2), "last": TODAY}


def cases(rng: random.Random) -> Iterator[Case]:
    for fault in FAULTS:
        if fault.action in OF_LISTINGS or fault.is_slow:
            continue
        for moment in MOMENTS:
            stays, is_second = rng.random() < 0.5, rng.random() < 0.5
            how = ("for ever" if stays else "once") + (", into a sheet that is there" if is_second else "")
            play = partial(_play, fault, moment, stays=stays, is_second=is_second)
            yield Case("publish", fault.name, f"{moment}, {how}", "GOOGLE_SHEETS", play)


def _play(fault: Fault, moment: str, ground: Ground, *, stays: bool, is_second: bool) -> Verdict:
    true, calls = ground.once("a peaceful morning", lambda: _peaceful(ground))
    call = calls["write again" if is_second and moment == "write" else moment]
    with ground.database() as url, morning(ground.environ(url)) as found:
        _know(found, 50.0 if is_second else 60.0)
        if is_second:
            found.well(**_DAYS)
            _know(found, 60.0)
        route, nth = call.route, 1 if moment == "token" else call.nth
        if moment == "token" and found.sandbox.requests.count(route=route):
            route = calls["read"].route  # a token lasts for an hour: the second time, nobody asks for one
        met = found.sandbox.requests.count(route=route)
        described: dict[str, Any] = {"system": "GOOGLE_SHEETS", "route": route, "nth": nth}
        found.sandbox.faults.add(fault.action, **described, times=None if stays else 1, **fault.settings())
        (result,) = found.publish(**_DAYS).values()
        broken = []
        if found.sandbox.requests.count(route=route) - met < nth:
            broken.append(invariants.NOT_TRIED)
        if result.error is None and _shown(found) != true:
            broken.append("published, and the sheet is not what it should be")
        found.sandbox.faults.clear()
        found.time.seconds += 86_400
        shared = found.sandbox.world.workspace(result.tenant_id, "GOOGLE_SHEETS")
        shared.access.problem = None
        (again,) = found.publish(**_DAYS).values()
        if again.error is not None:
            broken.append(f"the next publishing failed: {again.error}")
        if _shown(found) != true:
            broken.append(f"the sheet is not what it should be: {_shown(found)}")
    return Verdict("unharmed" if result.error is None else "failed", broken)


def _peaceful(ground: Ground) -> tuple[dict[str, Any], dict[str, Call]]:
    """What the sheets hold in the end, and the calls by which they come to it."""
    with ground.database() as url, morning(ground.environ(url)) as found:
        _know(found, 60.0)
        found.well(**_DAYS)
        routes = [request.route for request in found.sandbox.requests.log]
        found.sandbox.requests.clear()
        _know(found, 70.0)
        found.well(**_DAYS)
        again = [request.route for request in found.sandbox.requests.log]
        _know(found, 60.0)
        found.well(**_DAYS)
        shown = _shown(found)
    token, read, *_, write = routes
    calls = {
        "token": Call(token, 1),
        "read": Call(read, 1),
        "write": Call(write, routes.count(write)),
        "write again": Call(again[-1], again.count(again[-1])),
    }
    return shown, calls


def _know(found: Morning, progress: float) -> None:
    for number in range(3):
        found.know(TODAY - dt.timedelta(days=number), overall_progress=progress + number, blockers_count=number)


def _shown(found: Morning) -> dict[str, Any]:
    book = found.book()
    return {title: book.table(title) for title in SHEETS if any(sheet.title == title for sheet in book.sheets)}
