"""Every table of the database, for whoever reads with SQLAlchemy: KPIs, frames, Dagster.

The migrations' .sql is the schema's one truth; a test shows that this says the same.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata = MetaData()

_Time = TIMESTAMP(timezone=True)
_new_id = text("new_id()")
_empty = text("'{}'")


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, *, default: str | None = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _maybe(*names: str) -> list[Column[str]]:
    return [Column(name, Text) for name in names]


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _flag(name: str, *, default: bool | None = None) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=None if default is None else text(str(default).lower()))


def _number(name: str, default: int) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=_empty)


def _normalised(name: str, expression: str) -> Column[str]:
    return Column(name, Text, Computed(expression, persisted=True))


def _change() -> list[Column[object]]:
    """What every table that a sync fills ends with."""
    return [
        Column("content_hash", BigInteger, nullable=False),
        Column("created_sync_id", Uuid, nullable=False),
        Column("changed_sync_id", Uuid, nullable=False),
        Column("changed_at", _Time, nullable=False),
    ]


def _tenant() -> Column[str]:
    return Column("tenant_id", Text, ForeignKey("tenants.tenant_id"), primary_key=True)


tenants = Table(
    "tenants",
    metadata,
    _key("tenant_id"),
    _text("name"),
    _text("time_zone", default="Asia/Tokyo"),
    _text("locale", default="ja"),
    _count("matching_version"),
    CheckConstraint("tenant_id <> ''"),
)

internal_users = Table(
    "internal_users",
    metadata,
    _tenant(),
    _key("internal_user_id"),
    *_maybe("email", "employee_number", "display_name"),
    _flag("is_active", default=True),
    _normalised("email_key", "nullif(lower(btrim(email)), '')"),
    _normalised("employee_key", "nullif(btrim(employee_number), '')"),
    CheckConstraint("internal_user_id <> ''"),
)

external_system_connections = Table(
    "external_system_connections",
    metadata,
    _tenant(),
    _key("system_type"),
    *_maybe("api_endpoint", "client_id", "client_secret", "access_token", "refresh_token"),
    Column("token_expires_at", _Time),
    _flag("sync_enabled", default=True),
    Column("last_sync_at", _Time),
    _flag("sync_users", default=True),
    _flag("sync_teams", default=True),
    _flag("sync_notifications", default=True),
    _number("batch_size", 100),
    _number("api_rate_limit", 60),
    _number("retry_attempts", 3),
    _number("timeout_seconds", 30),
    _json("options"),
    _json("secret_options"),
    _json("workspace"),
    Column("refresh_started_at", _Time),
    _count("sync_generation"),
    Column("users_listed_at", _Time),
    Column("matched_version", BigInteger, nullable=False, server_default=text("-1")),
)

external_users = Table(
    "external_users",
    metadata,
    _key("tenant_id"),
    _key("system_type"),
    _key("external_user_id"),
    Column("mapping_id", Uuid, nullable=False, server_default=_new_id),
    _text("kind"),
    _text("listing"),
    _flag("is_active"),
    *_maybe(
        "inactive_reason",
        "external_username",
        "external_email",
        "flags",
        "external_key",
        "employee_number",
        "match_email",
        "match_email_2",
    ),
    _normalised("employee_key", "nullif(btrim(employee_number), '')"),
    _normalised("email_key", "nullif(lower(btrim(match_email)), '')"),
    _normalised("email_key_2", "nullif(lower(btrim(match_email_2)), '')"),
    *_change(),
)

external_teams = Table(
    "external_teams",
    metadata,
    _key("tenant_id"),
    _key("system_type"),
    _key("kind"),
    _key("external_team_id"),
    _text("listing"),
    _flag("is_active"),
    *_maybe("inactive_reason", "parent_id", "name", "description", "visibility"),
    _flag("is_archived", default=False),
    *_change(),
)

notification_settings = Table(
    "notification_settings",
    metadata,
    _key("tenant_id"),
    _key("system_type"),
    _key("kind"),
    _key("external_id"),
    _text("listing"),
    _flag("is_active"),
    *_maybe("inactive_reason", "external_team_id", "name"),
    _json("settings"),
    *_change(),
)

user_links = Table(
    "user_links",
    metadata,
    _key("tenant_id"),
    _key("system_type"),
    _key("external_user_id"),
    _text("internal_user_id"),
    Column("created_at", _Time, nullable=False, server_default=text("now()")),
    ForeignKeyConstraint(
        ["tenant_id", "internal_user_id"], ["internal_users.tenant_id", "internal_users.internal_user_id"]
    ),
)

user_matches = Table(
    "user_matches",
    metadata,
    _key("tenant_id"),
    _key("system_type"),
    _key("external_user_id"),
    *_maybe("internal_user_id"),
    _text("rule"),
    _text("sync_status"),
    *_maybe("reason"),
    Column("changed_at", _Time, nullable=False),
    CheckConstraint("sync_status IN ('ACTIVE', 'INACTIVE', 'ERROR')"),
)

external_system_sync_history = Table(
    "external_system_sync_history",
    metadata,
    Column("sync_id", Uuid, primary_key=True),
    _text("tenant_id"),
    _text("system_type"),
    _text("sync_type"),
    Column("started_at", _Time, nullable=False),
    Column("completed_at", _Time),
    _text("status", default="FAILED"),
    _count("records_processed"),
    _count("records_updated"),
    _count("records_created"),
    _count("records_deleted"),
    _count("records_unchanged"),
    _count("records_rejected"),
    Column("error_type", Text, server_default="INTERRUPTED"),
    *_maybe("error_message", "remedy"),
    Column("warnings", ARRAY(Text), nullable=False, server_default=_empty),
    _number("api_calls", 0),
    *_maybe("run_id"),
    CheckConstraint("status IN ('SUCCESS', 'PARTIAL', 'FAILED')"),
    ForeignKeyConstraint(
        ["tenant_id", "system_type"],
        ["external_system_connections.tenant_id", "external_system_connections.system_type"],
    ),
    Index("external_system_sync_history_by_tenant", "tenant_id", text("started_at DESC")),
    Index("external_system_sync_history_by_start", "started_at"),
)

sync_changes = Table(
    "sync_changes",
    metadata,
    _key("tenant_id"),
    Column("sync_id", Uuid, primary_key=True),
    _key("kind"),
    _key("key"),
    _text("system_type"),
    _text("sync_type"),
    _text("action"),
    Column("before", JSONB, nullable=False),
    CheckConstraint("action IN ('UPDATED', 'DEACTIVATED', 'REACTIVATED')"),
)

sync_errors = Table(
    "sync_errors",
    metadata,
    Column("error_id", Uuid, primary_key=True, server_default=_new_id),
    Column("sync_id", Uuid, nullable=False),
    _text("tenant_id"),
    _text("system_type"),
    _text("sync_type"),
    _text("error_type"),
    _text("error_message"),
    *_maybe("provider_code", "remedy", "kind", "record_key", "stack_trace"),
    Column("occurred_at", _Time, nullable=False),
    Index("sync_errors_by_sync", "tenant_id", "sync_id"),
)

progress_kpis = Table(
    "progress_kpis",
    metadata,
    _tenant(),
    Column("day", Date, primary_key=True),
    *(
        Column(name, Double)
        for name in (
            "overall_progress",
            "task_completion_rate",
            "quality_score",
            "team_satisfaction",
            "blockers_count",
            "code_review_time",
            "deploy_success_rate",
        )
    ),
)

daily_kpis = Table(
    "daily_kpis",
    metadata,
    _tenant(),
    Column("day", Date, primary_key=True),
    _key("kpi"),
    Column("value", Double),
)

views = MetaData()
"""Views apart: nothing creates or compares them as tables."""

external_user_mappings = Table(
    "external_user_mappings",
    views,
    Column("mapping_id", Uuid),
    *_maybe(
        "tenant_id",
        "internal_user_id",
        "system_type",
        "external_user_id",
        "external_username",
        "external_email",
        "sync_status",
    ),
    Column("last_synced_at", _Time),
    *_maybe("reason", "rule", "flags"),
)
