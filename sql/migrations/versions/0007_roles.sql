-- 0007 · what an operator may see
--
-- integration_pipeline_operator lists tenants side by side and imports their files. Until now it could read whole
-- tables, sealed secrets included. From now on it reads what lists and reports show, and of a secret only whether there
-- is one. Secrets are read and written in the transaction of the tenant they belong to.
--
-- A later column of a table that is granted column by column must be granted too, where a list shows it.

-- An aggregate is no expression of a generated column, a function is.
CREATE FUNCTION names_of(object jsonb) RETURNS text [] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(pg_catalog.array_agg(k.name ORDER BY k.name), '{}')
    FROM pg_catalog.jsonb_object_keys(object) AS k (name)
$$;

ALTER TABLE external_system_connections
ADD COLUMN client_secret_set boolean NOT NULL GENERATED ALWAYS AS (client_secret IS NOT NULL) STORED,
ADD COLUMN access_token_set boolean NOT NULL GENERATED ALWAYS AS (access_token IS NOT NULL) STORED,
ADD COLUMN refresh_token_set boolean NOT NULL GENERATED ALWAYS AS (refresh_token IS NOT NULL) STORED,
ADD COLUMN secret_options_set text [] NOT NULL GENERATED ALWAYS AS (names_of(secret_options)) STORED;

REVOKE ALL ON external_system_connections, spreadsheets, external_users, external_teams, notification_settings,
user_links, sync_changes, sync_hold_rows
FROM integration_pipeline_operator;

GRANT SELECT (
    tenant_id, system_type, api_endpoint, client_id, token_expires_at, sync_enabled, last_sync_at, sync_users,
    sync_teams, sync_notifications, batch_size, api_rate_limit, retry_attempts, timeout_seconds, options, workspace,
    refresh_started_at, sync_generation, users_listed_at, client_secret_set, access_token_set, refresh_token_set,
    secret_options_set
) ON external_system_connections TO integration_pipeline_operator;

GRANT SELECT (
    tenant_id, spreadsheet_id, sheet_titles, last_published_at, last_failed_at, last_error_type, last_error, last_remedy
) ON spreadsheets TO integration_pipeline_operator;

-- What external_user_mappings shows of an account: the view reads with the rights of whoever asks it.
GRANT SELECT (
    tenant_id, system_type, external_user_id, mapping_id, external_username, external_email, is_active,
    inactive_reason, flags, changed_at
) ON external_users TO integration_pipeline_operator;

-- Imports write a tenant's connections and spreadsheet as the tenant's own worker.
GRANT INSERT ON external_system_connections, spreadsheets TO integration_pipeline_worker;
GRANT UPDATE (spreadsheet_id, service_account) ON spreadsheets TO integration_pipeline_worker;
