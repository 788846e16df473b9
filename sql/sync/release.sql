-- What a hold would write, where there is still somebody to deactivate.
SELECT kept.kind, kept.key, kept.listing, kept.reason, kept.content_hash, kept.content
FROM sync_hold_rows AS kept
INNER JOIN {table} AS target ON kept.kind = target.kind AND kept.key = target.{key}
WHERE
    kept.tenant_id = %(tenant_id)s AND kept.hold_id = %(hold_id)s
    AND target.tenant_id = %(tenant_id)s AND target.system_type = %(system_type)s AND target.is_active
