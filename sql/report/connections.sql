-- Every connection for people: its settings, and of its secrets only whether they are set. No key is needed.
SELECT
    c.tenant_id,
    c.system_type,
    c.sync_enabled,
    c.sync_users,
    c.sync_teams,
    c.sync_notifications,
    c.api_endpoint,
    c.client_id,
    c.client_secret_set,
    c.access_token_set,
    c.refresh_token_set,
    c.token_expires_at,
    c.batch_size,
    c.api_rate_limit,
    c.retry_attempts,
    c.timeout_seconds,
    c.options,
    c.secret_options_set,
    c.workspace,
    c.last_sync_at
FROM external_system_connections AS c
ORDER BY c.tenant_id, c.system_type
