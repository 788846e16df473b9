-- Ended syncs that no Dagster run made, in the order in which they ended, after the one told last. No sync takes six
-- hours, so the index on started_at bounds the search.
SELECT
    sync_id,
    tenant_id,
    sync_type,
    completed_at
FROM external_system_sync_history
WHERE
    run_id IS NULL
    AND started_at > %(ended)s::timestamptz - interval '6 hours'
    AND completed_at < %(before)s
    AND (completed_at, sync_id) > (%(ended)s::timestamptz, %(sync_id)s::uuid)
ORDER BY completed_at, sync_id
LIMIT %(limit)s
