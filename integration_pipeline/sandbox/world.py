"""Imitated tenants: their workspaces at every provider, their own users, and the files that import them.

A world is the same whenever it is made of the same plan; what tests change in it afterwards is "the next night".
"""

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from integration_pipeline.errors import UsageError
from integration_pipeline.registry import FOLDERS
from integration_pipeline.sandbox.names import is_one_in, person
from integration_pipeline.sandbox.plan import SPREADSHEETS, Fault, SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.vendor import Vendor, Workspace, email_domain, seed_of, vendors


class InternalUser(NamedTuple):
    """A row of ``users import``."""

    tenant_id: str
    internal_user_id: str
    email: str | None
    employee_number: str | None
    display_name: str
    is_active: bool


class World:
    """Tenants and their workspaces, faults, and the time.

    :param clock: Unix seconds; tokens expire and limits refill by it.
    """

    def __init__(self, plan: WorldPlan, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.limits = plan.limits
        self.faults: list[Fault] = list(plan.faults)
        self.vendors: tuple[Vendor, ...] = vendors()
        self.tenants: dict[str, TenantPlan] = {}
        self._workspaces: dict[tuple[str, str], Workspace] = {}
        """By system and tenant's id, and by system and every other name the vendor gives."""
        for tenant in plan.tenants:
            self.add(tenant)

    def add(self, tenant: TenantPlan) -> None:
        """One more tenant."""
        self.tenants[tenant.tenant_id] = tenant
        for vendor in self.vendors:
            if tenant.plan_of(vendor.system) is None:
                continue
            workspace = vendor.workspace(vendor, tenant, limits=self.limits)
            for name in (tenant.tenant_id, *vendor.names(tenant)):
                self._workspaces[vendor.system, name] = workspace

    def workspace(self, tenant_id: str, system: str) -> Workspace:
        """What a tenant has at a provider: ``.users``, ``.teams``, ``.apps``, ``.access``."""
        return self._workspaces[system, tenant_id]

    def find(self, system: str, name: str) -> Workspace | None:
        """A workspace by any name it goes by, or None."""
        return self._workspaces.get((system, name))

    def workspaces(self) -> Iterator[Workspace]:
        for tenant in self.tenants.values():
            for vendor in self.vendors:
                if vendor.system in tenant.systems:
                    yield self.workspace(tenant.tenant_id, vendor.system)

    def internal_users(self, tenant_id: str) -> list[InternalUser]:
        """The tenant's own users. Most have accounts everywhere; some are unknown, have left, or are ambiguous."""
        tenant = self.tenants[tenant_id]
        count = max((plan.users for plan in tenant.systems.values()), default=0)
        is_odd = any(plan.oddities for plan in tenant.systems.values())
        users = [user for number in range(count) for user in _internal(tenant, number, is_odd=is_odd)]
        if is_odd:
            users.append(
                InternalUser(tenant_id, "INT-OFFICE", f"office@{email_domain(tenant)}", None, "事務局", is_active=True)
            )
        return users

    def tenants_csv(self) -> str:
        """For ``tenants import``."""
        rows = ((t.tenant_id, t.name, t.time_zone, t.locale) for t in self.tenants.values())
        return _csv(("tenant_id", "name", "time_zone", "locale"), rows)

    def users_csv(self) -> str:
        """For ``users import``."""
        rows = (
            user._replace(is_active="true" if user.is_active else "false")  # type: ignore[arg-type]
            for tenant_id in self.tenants
            for user in self.internal_users(tenant_id)
        )
        return _csv(InternalUser._fields, rows)

    def connections_json(self) -> str:
        """For ``connections import``: every workspace's connection, with the credentials as they stand now."""
        now = self.clock()
        entries: list[dict[str, Any]] = [
            {
                "tenant_id": workspace.tenant_id,
                "system_type": workspace.vendor.system,
                **workspace.vendor.connection(workspace, now),
                "api_rate_limit": workspace.tenant.api_rate_limit,
            }
            for workspace in self.workspaces()
        ]
        return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"

    def spreadsheets_json(self) -> str:
        """For ``spreadsheets import``: every tenant's spreadsheet, and the key of the account it is shared with."""
        shared = [
            self.workspace(tenant.tenant_id, SPREADSHEETS) for tenant in self.tenants.values() if tenant.spreadsheet
        ]
        entries = [{"tenant_id": one.tenant_id, **one.vendor.connection(one, self.clock())} for one in shared]
        return json.dumps(entries, ensure_ascii=False, indent=1) + "\n"


def _internal(tenant: TenantPlan, number: int, *, is_odd: bool) -> Iterator[InternalUser]:
    who = person(seed_of(tenant), number)
    user = InternalUser(
        tenant_id=tenant.tenant_id,
        internal_user_id=who.internal_user_id,
        email=f"{who.local_part}@{email_domain(tenant)}",
        employee_number=who.employee_number,
        display_name=f"{who.last_name} {who.first_name}",
        is_active=True,
    )
    if not is_odd:
        yield user
        return
    if is_one_in(23, number, at=11):
        return  # has accounts, and is nobody of ours
    if is_one_in(7, number, at=3):
        user = user._replace(employee_number=None)
    yield user._replace(is_active=not is_one_in(41, number, at=17))
    if is_one_in(97, number, at=13):
        # Entered twice, so that the address means nobody.
        yield user._replace(internal_user_id=f"{who.internal_user_id}-B", employee_number=None)


def _csv(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def load(path: Path, *, clock: Callable[[], float] = time.time) -> World:
    """The world that a file describes (``plan.py`` is its format).

    :raises UsageError: naming the entry that is wrong.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: is no JSON: {error}") from error
    try:
        plan = WorldPlan.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        entry = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(f"{path}: {entry}: {first['msg']}") from error
    return World(plan, clock=clock)


def build(
    *,
    tenants: int = 1,
    users: int = 2000,
    channels: int = 300,
    teams: int = 200,
    groups: int = 20,
    apps: int = 3,
    domains: int = 1,
    seed: int = 1,
    limits: bool = False,
    oddities: bool = True,
    api_rate_limit: int = 600,
    systems: Iterable[str] | None = None,
    clock: Callable[[], float] = time.time,
    **settings: Any,
) -> World:
    """A world of any size: ``tenants`` alike but for their people, called ``tenant-0001`` and so on.

    :param channels: Slack's.
    :param teams: Teams' teams, LINE WORKS' groups.
    :param settings: anything else that :class:`SystemPlan` knows, for all systems.
    """
    counts = {"SLACK": channels}
    chosen = list(FOLDERS) if systems is None else list(systems)
    plans = {
        system: SystemPlan(
            users=users,
            teams=counts.get(system, teams),
            groups=groups,
            apps=apps,
            domains=domains,
            oddities=oddities,
            **settings,
        )
        for system in chosen
    }
    made = tuple(
        TenantPlan(
            tenant_id=f"tenant-{number:04d}",
            name=f"第{number}株式会社",
            seed=seed,
            api_rate_limit=api_rate_limit,
            systems=plans,
        )
        for number in range(1, tenants + 1)
    )
    return World(WorldPlan(limits=limits, tenants=made), clock=clock)


def demo(*, clock: Callable[[], float] = time.time) -> World:
    """Four companies. Of one, the Slack app was removed, which only a person can mend; all else is well."""

    def company(tenant_id: str, name: str, users: int, **systems: dict[str, Any]) -> TenantPlan:
        plans = {
            "TEAMS": {"users": users, "teams": users // 8},
            "SLACK": {"users": users - 6, "teams": users // 4},
            "LINE_WORKS": {"users": users - 3, "teams": users // 10},
        }
        for system, settings in systems.items():
            plans[system] |= settings
        built = {system: SystemPlan.model_validate(settings) for system, settings in plans.items()}
        return TenantPlan(tenant_id=tenant_id, name=name, systems=built)

    tenants = (
        company("sakura", "株式会社さくら製作所", 120, SLACK={"rotation": True, "token_expired": True}),
        company("minato", "みなと物流株式会社", 84, LINE_WORKS={"domains": 3}),
        company("aozora", "有限会社あおぞら食品", 46, SLACK={"problem": "account_inactive"}),
        company("hikari", "ひかり医療システム株式会社", 65, SLACK={"empty_pages": True, "page_size": 20}),
    )
    return World(WorldPlan(tenants=tenants), clock=clock)
