-- What could not be read: records, and listings beside the main one.
INSERT INTO sync_errors (
    sync_id, tenant_id, system_type, sync_type,
    error_type, error_message, provider_code, remedy, kind, record_key, occurred_at
)
SELECT %(sync_id)s, %(tenant_id)s, %(system_type)s, %(sync_type)s, problem.*, %(at)s
FROM unnest(
    %(error_types)s::text[], %(messages)s::text[], %(provider_codes)s::text[],
    %(remedys)s::text[], %(kinds)s::text[], %(keys)s::text[]
) AS problem
