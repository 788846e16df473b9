-- The active rows of a kind, each with the listing it stands under.
SELECT {key}, listing
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND kind = %(kind)s AND is_active
ORDER BY {key}
