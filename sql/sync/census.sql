-- How many active rows stand under each listing: what the guard weighs removals against.
SELECT listing, kind, count(*)
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND is_active
GROUP BY listing, kind
