-- The active rows of a kind, by key.
SELECT {key}
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND kind = %(kind)s AND is_active
ORDER BY {key}
