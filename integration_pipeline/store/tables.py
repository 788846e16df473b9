"""Every table of the database, for whoever reads with SQLAlchemy: KPIs, frames, Dagster.

The migrations' .sql is the schema's one truth; a test shows that this says the same.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata = sa.MetaData()

_Time = TIMESTAMP(timezone=True)
_new_id = sa.text("new_id()")
_empty = sa.text("'{}'")


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True)


def _text(name: str, *, default: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _keys(*names: str) -> list[sa.Column[str]]:
    return [_key(name) for name in names]


def _texts(*names: str) -> list[sa.Column[str]]:
    return [_text(name) for name in names]


def _counts(*names: str) -> list[sa.Column[int]]:
    return [_count(name) for name in names]


def _maybe(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text) for name in names]


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))


def _flag(name: str, *, default: bool | None = None) -> sa.Column[bool]:
    return sa.Column(
        name, sa.Boolean, nullable=False, server_default=None if default is None else sa.text(str(default).lower())
    )


def _number(name: str, default: int) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=sa.text(str(default)))


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, JSONB, nullable=False, server_default=_empty)


def _normalised(name: str, expression: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, sa.Computed(expression, persisted=True))


def _change() -> list[sa.Column[object]]:
    """What every table that a sync fills ends with."""
    return [
        sa.Column("content_hash", sa.BigInteger, nullable=False),
        sa.Column("created_sync_id", sa.Uuid, nullable=False),
        sa.Column("changed_sync_id", sa.Uuid, nullable=False),
        sa.Column("changed_at", _Time, nullable=False),
    ]


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.Text, sa.ForeignKey("tenants.tenant_id"), primary_key=True)


tenants = sa.Table(
    "tenants",
    metadata,
    _key("tenant_id"),
    _text("name"),
    _text("time_zone", default="Asia/Tokyo"),
    _text("locale", default="ja"),
    _count("matching_version"),
    sa.CheckConstraint("tenant_id <> ''"),
)

internal_users = sa.Table(
    "internal_users",
    metadata,
    _tenant(),
    _key("internal_user_id"),
    *_maybe("email", "employee_number", "display_name"),
    _flag("is_active", default=True),
    _normalised("email_key", "nullif(lower(btrim(email)), '')"),
    _normalised("employee_key", "nullif(btrim(employee_number), '')"),
    sa.CheckConstraint("internal_user_id <> ''"),
)

external_system_connections = sa.Table(
    "external_system_connections",
    metadata,
    _tenant(),
    _key("system_type"),
    *_maybe("api_endpoint", "client_id", "client_secret", "access_token", "refresh_token"),
    sa.Column("token_expires_at", _Time),
    _flag("sync_enabled", default=True),
    sa.Column("last_sync_at", _Time),
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
    sa.Column("refresh_started_at", _Time),
    _count("sync_generation"),
    sa.Column("users_listed_at", _Time),
    sa.Column("matched_version", sa.BigInteger, nullable=False, server_default=sa.text("-1")),
    *(
        sa.Column(f"{name}_set", sa.Boolean, sa.Computed(f"{name} IS NOT NULL", persisted=True), nullable=False)
        for name in ("client_secret", "access_token", "refresh_token")
    ),
    sa.Column(
        "secret_options_set", ARRAY(sa.Text), sa.Computed("names_of(secret_options)", persisted=True), nullable=False
    ),
)

external_users = sa.Table(
    "external_users",
    metadata,
    *_keys("tenant_id", "system_type", "external_user_id"),
    *_texts("kind", "listing"),
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
    *_change(),
    *_maybe("match_rule", "match_user_id", "match_status", "match_reason"),
    sa.CheckConstraint("match_status IN ('ACTIVE', 'INACTIVE', 'ERROR')"),
)

external_teams = sa.Table(
    "external_teams",
    metadata,
    *_keys("tenant_id", "system_type", "kind", "external_team_id"),
    _text("listing"),
    _flag("is_active"),
    *_maybe("inactive_reason", "parent_id", "name", "description", "visibility"),
    _flag("is_archived", default=False),
    *_change(),
)

notification_settings = sa.Table(
    "notification_settings",
    metadata,
    *_keys("tenant_id", "system_type", "kind", "external_id"),
    _text("listing"),
    _flag("is_active"),
    *_maybe("inactive_reason", "external_team_id", "name"),
    _json("settings"),
    *_change(),
)

user_links = sa.Table(
    "user_links",
    metadata,
    *_keys("tenant_id", "system_type", "external_user_id"),
    _text("internal_user_id"),
    sa.Column("created_at", _Time, nullable=False, server_default=sa.text("now()")),
    sa.ForeignKeyConstraint(
        ["tenant_id", "internal_user_id"], ["internal_users.tenant_id", "internal_users.internal_user_id"]
    ),
)

external_system_sync_history = sa.Table(
    "external_system_sync_history",
    metadata,
    sa.Column("sync_id", sa.Uuid, primary_key=True),
    *_texts("tenant_id", "system_type", "sync_type"),
    sa.Column("started_at", _Time, nullable=False),
    sa.Column("completed_at", _Time),
    _text("status", default="FAILED"),
    *_counts(
        "records_processed",
        "records_updated",
        "records_created",
        "records_deleted",
        "records_unchanged",
        "records_rejected",
    ),
    sa.Column("error_type", sa.Text, server_default="INTERRUPTED"),
    *_maybe("error_message", "remedy"),
    sa.Column("warnings", ARRAY(sa.Text), nullable=False, server_default=_empty),
    _number("api_calls", 0),
    *_maybe("run_id"),
    sa.Column("api_calls_minimum", sa.Integer),
    sa.Column("api_calls_estimate", sa.Integer),
    sa.Column("seconds_estimate", sa.Double),
    sa.Column("api_load", JSONB),
    sa.CheckConstraint("status IN ('SUCCESS', 'PARTIAL', 'FAILED')"),
    sa.ForeignKeyConstraint(
        ["tenant_id", "system_type"],
        ["external_system_connections.tenant_id", "external_system_connections.system_type"],
    ),
    sa.Index("external_system_sync_history_by_tenant", "tenant_id", sa.text("started_at DESC")),
    sa.Index("external_system_sync_history_by_start", "started_at"),
)

sync_changes = sa.Table(
    "sync_changes",
    metadata,
    _key("tenant_id"),
    sa.Column("sync_id", sa.Uuid, primary_key=True),
    *_keys("kind", "key"),
    *_texts("system_type", "sync_type", "action"),
    sa.Column("before", JSONB, nullable=False),
    sa.CheckConstraint("action IN ('UPDATED', 'DEACTIVATED', 'REACTIVATED')"),
)

sync_errors = sa.Table(
    "sync_errors",
    metadata,
    sa.Column("error_id", sa.Uuid, primary_key=True, server_default=_new_id),
    sa.Column("sync_id", sa.Uuid, nullable=False),
    *_texts("tenant_id", "system_type", "sync_type", "error_type", "error_message"),
    *_maybe("provider_code", "remedy", "kind", "record_key", "stack_trace"),
    sa.Column("occurred_at", _Time, nullable=False),
    sa.Index("sync_errors_by_sync", "tenant_id", "sync_id"),
)

sync_holds = sa.Table(
    "sync_holds",
    metadata,
    sa.Column("hold_id", sa.Uuid, primary_key=True, server_default=_new_id),
    *_texts("tenant_id", "system_type", "sync_type"),
    sa.Column("sync_id", sa.Uuid, nullable=False),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False),
    sa.Column("absent_count", sa.BigInteger, nullable=False),
    sa.Column("flagged_count", sa.BigInteger, nullable=False),
    _text("status", default="WAITING"),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("decided_at", _Time),
    sa.Column("decided_sync_id", sa.Uuid),
    sa.CheckConstraint("status IN ('WAITING', 'APPROVED', 'REJECTED', 'SUPERSEDED')"),
    sa.ForeignKeyConstraint(
        ["tenant_id", "system_type"],
        ["external_system_connections.tenant_id", "external_system_connections.system_type"],
    ),
    sa.Index(
        "sync_holds_waiting",
        "tenant_id",
        "system_type",
        "sync_type",
        unique=True,
        postgresql_where=sa.text("status = 'WAITING'"),
    ),
)

sync_hold_rows = sa.Table(
    "sync_hold_rows",
    metadata,
    _key("tenant_id"),
    sa.Column("hold_id", sa.Uuid, primary_key=True),
    *_keys("kind", "key"),
    *_maybe("name"),
    _text("listing"),
    *_maybe("reason"),
    sa.Column("content_hash", sa.BigInteger, nullable=False),
    sa.Column("content", JSONB),
)

sync_cursors = sa.Table(
    "sync_cursors",
    metadata,
    *_keys("tenant_id", "system_type", "sync_type", "listing"),
    _text("cursor"),
    _text("question"),
    sa.Column("listed_at", _Time, nullable=False),
    sa.Column("moved_at", _Time, nullable=False),
    sa.ForeignKeyConstraint(
        ["tenant_id", "system_type"],
        ["external_system_connections.tenant_id", "external_system_connections.system_type"],
    ),
)

critical_notices = sa.Table(
    "critical_notices",
    metadata,
    sa.Column("notice_id", sa.Uuid, nullable=False, server_default=_new_id),
    _tenant(),
    sa.Column("day", sa.Date, primary_key=True),
    *_keys("system_type", "cause"),
    _text("message"),
    *_maybe("remedy", "provider_code"),
    sa.Column("commands", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", _Time, nullable=False),
    sa.Column("claimed_until", _Time),
    sa.Column("delivered_at", _Time),
    _number("tries", 0),
    *_maybe("last_error"),
    sa.Index("critical_notices_due", "created_at", postgresql_where=sa.text("delivered_at IS NULL")),
)

progress_kpis = sa.Table(
    "progress_kpis",
    metadata,
    _tenant(),
    sa.Column("day", sa.Date, primary_key=True),
    *(
        sa.Column(name, sa.Double)
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

daily_kpis = sa.Table(
    "daily_kpis",
    metadata,
    _tenant(),
    sa.Column("day", sa.Date, primary_key=True),
    _key("kpi"),
    sa.Column("value", sa.Double),
)

spreadsheets = sa.Table(
    "spreadsheets",
    metadata,
    _tenant(),
    _text("spreadsheet_id"),
    _text("service_account"),
    _json("sheet_titles"),
    sa.Column("last_published_at", _Time),
    sa.Column("last_failed_at", _Time),
    *_maybe("last_error_type", "last_error", "last_remedy"),
    sa.CheckConstraint("spreadsheet_id <> ''"),
    sa.UniqueConstraint("spreadsheet_id", deferrable=True, initially="DEFERRED"),
)

views = sa.MetaData()
"""Views apart: nothing creates or compares them as tables."""

external_user_mappings = sa.Table(
    "external_user_mappings",
    views,
    sa.Column("mapping_id", sa.Uuid),
    *_maybe(
        "tenant_id",
        "internal_user_id",
        "system_type",
        "external_user_id",
        "external_username",
        "external_email",
        "sync_status",
    ),
    sa.Column("last_synced_at", _Time),
    *_maybe("reason", "rule", "flags"),
)
