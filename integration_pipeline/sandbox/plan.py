"""What a world file may say: the one description of its format (README.md shows an example).

Everything has a default but a tenant's id, and what is misspelt is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from integration_pipeline.registry import FOLDERS

Count = Annotated[int, Field(ge=0)]

SPREADSHEETS = "GOOGLE_SHEETS"
"""The imitation that is no system of the registry: where KPIs are published."""
SYSTEMS = (*FOLDERS, SPREADSHEETS)


class _Plan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SystemPlan(_Plan):
    """One tenant's workspace at one provider."""

    users: Count = 80
    """Accounts of people; bots come on top."""
    teams: Count = 12
    """Slack's channels, Teams' teams (with three channels each), LINE WORKS' groups."""
    groups: Count = 3
    """Slack's user groups, Microsoft 365 groups that are no teams, LINE WORKS' organisational units."""
    apps: Count = 3
    """Bots of Slack and LINE WORKS; Teams' installed apps per team."""
    domains: Annotated[int, Field(ge=1, le=50)] = 1
    """LINE WORKS only: how many domains the users and groups are spread over."""
    oddities: bool = True
    """Guests, leavers, duplicates, missing addresses and the like, at fixed shares; false = plain people only."""
    page_size: Annotated[int, Field(ge=1)] | None = None
    """The largest page served, whatever is asked for."""
    empty_pages: bool = False
    """An empty page that still has a cursor before every page but the first (Slack, Graph)."""
    limits: bool | None = None
    """Whether the provider's published limits are enforced; null = as the world says."""
    rotation: bool = False
    """Slack: token rotation; LINE WORKS: Refresh Token Rotation."""
    token_life_seconds: Annotated[int, Field(ge=1)] | None = None
    token_expired: bool = False
    """Whether the access token of ``connections_json`` has expired already."""
    missing_scopes: tuple[str, ...] = ()
    """Scopes or permissions that were not granted."""
    hidden_fields: tuple[str, ...] = ()
    """Keys that no user row has (LINE WORKS returns what the administrator's settings allow)."""
    redirects: bool = False
    """LINE WORKS: every request is answered 307 with the address of another instance."""
    problem: str | None = None
    """The provider's own code for what is wrong with the credentials: Slack ``token_revoked``, ``account_inactive``,
    ``invalid_refresh_token``; Microsoft ``7000222`` (secret expired), ``7000215``, ``700016``; LINE WORKS ``invalid_grant``,
    ``invalid_client``, ``99`` (its other error form)."""


def _all_systems() -> Mapping[str, SystemPlan]:
    return {system: SystemPlan() for system in FOLDERS}


class TenantPlan(_Plan):
    tenant_id: Annotated[str, Field(min_length=1, max_length=200)]
    name: str = "株式会社見本"
    seed: int = 1
    domain: str | None = None
    """Of the company's e-mail addresses; made of the tenant's id where it is not given."""
    time_zone: str = "Asia/Tokyo"
    locale: str = "ja"
    api_rate_limit: Annotated[int, Field(ge=1)] = 600
    systems: Mapping[str, SystemPlan] = Field(default_factory=_all_systems)
    spreadsheet: SystemPlan | None = SystemPlan()
    """Of its settings, ``limits``, ``token_life_seconds`` and ``problem`` mean something here: ``not_shared``, ``read_only``,
    ``deleted``, ``disabled`` (the API, in Google's console), ``invalid_grant`` (the key). Null = the tenant has none."""

    @field_validator("systems")
    @classmethod
    def _are_known(cls, systems: Mapping[str, SystemPlan]) -> Mapping[str, SystemPlan]:
        for name in systems:
            if name not in FOLDERS:
                raise ValueError(f"there is no system {name}; known are {', '.join(FOLDERS)}")
        return systems

    def plan_of(self, system: str) -> SystemPlan | None:
        """The tenant's workspace at a system, or its spreadsheet."""
        return self.spreadsheet if system == SPREADSHEETS else self.systems.get(system)


class Fault(BaseModel):
    """Something that goes wrong: which calls it meets, and what becomes of them.

    It meets the calls that ``system``, ``route`` and ``tenant_id`` describe (null = any), from the ``nth`` of them
    on, ``times`` times (null = for ever), and then all is well again.
    """

    model_config = ConfigDict(extra="forbid")

    action: Literal[
        "status",  # answer ``status`` with ``body`` and ``headers``
        "error",  # the provider's own error ``code``, in its own form (Slack: ok:false at 200)
        "limit",  # the provider's own "too many requests", with ``retry_after`` as it stands (null = none)
        "html",  # a proxy's page instead of JSON, with ``status`` (200 by default)
        "truncate",  # half of the JSON, as if it were all
        "garble",  # the JSON, said to be compressed and not so
        "hang",  # no answer until released, or until the client gives up
        "drip",  # the answer byte by byte, until released
        "reset",  # the connection is cut before the call is looked at
        "reset_in_body",  # the connection is cut in the middle of the answer
        "lose_reply",  # the call takes effect, and the connection is cut instead of an answer
        "cursor_loop",  # the answer repeats the cursor of the answer before
        "duplicate_page",  # the rows of the answer before once more
        "duplicate_row",  # row number ``row`` once more, at the page's end
        "empty",  # no rows, and nothing follows
        "last",  # the rows as they are, but nothing follows
        "wrong_types",  # ``fields`` laid over row number ``row``
        "expire_token",  # all access tokens expire just before the call
        "forget",  # the memory of changes is lost just before the call: links into it have expired (Graph's delta)
        "revoke",  # the credentials get the problem ``code`` just before the call
    ]
    system: str | None = None
    route: str | None = None
    """A name of the list at the sandbox's ``/``: ``users.list``, ``GET /users``."""
    tenant_id: str | None = None
    nth: Annotated[int, Field(ge=1)] = 1
    times: Annotated[int, Field(ge=1)] | None = 1
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    code: str | None = None
    body: str = ""
    headers: Mapping[str, str] = Field(default_factory=dict)
    retry_after: str | None = None
    row: Count = 0
    fields: Mapping[str, Any] = Field(default_factory=dict)

    _seen: int = PrivateAttr(default=0)

    @field_validator("system")
    @classmethod
    def _is_known(cls, system: str | None) -> str | None:
        if system is not None and system not in SYSTEMS:
            raise ValueError(f"there is no system {system}; known are {', '.join(SYSTEMS)}")
        return system

    def meets(self, *, system: str, route: str, tenant_id: str | None) -> bool:
        """Count a call that this fault describes, and say whether it is the one to go wrong."""
        described = (self.system, self.route, self.tenant_id)
        if any(wanted not in (None, is_) for wanted, is_ in zip(described, (system, route, tenant_id), strict=True)):
            return False
        self._seen += 1
        return self.nth <= self._seen and (self.times is None or self._seen < self.nth + self.times)


class WorldPlan(_Plan):
    limits: bool = True
    """Whether the providers' published limits are enforced."""
    tenants: Annotated[tuple[TenantPlan, ...], Field(min_length=1)]
    faults: tuple[Fault, ...] = ()

    @field_validator("tenants")
    @classmethod
    def _are_different(cls, tenants: tuple[TenantPlan, ...]) -> tuple[TenantPlan, ...]:
        seen: set[str] = set()
        for tenant in tenants:
            if tenant.tenant_id in seen:
                raise ValueError(f"two tenants have the id {tenant.tenant_id}")
            seen.add(tenant.tenant_id)
        return tenants
