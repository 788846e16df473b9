-- Access tokens that a person must replace: they end soon with nothing stored to renew them by, or their renewal was
-- cut off, so that a refresh token that works once may be spent.
SELECT
    tenant_id,
    system_type,
    token_expires_at,
    refresh_started_at
FROM external_system_connections
WHERE
    sync_enabled
    AND (
        refresh_started_at < %(cut_off_before)s
        OR (
            token_expires_at < %(ends_before)s
            AND NOT refresh_token_set
            AND NOT client_secret_set
        )
    )
ORDER BY tenant_id, system_type
