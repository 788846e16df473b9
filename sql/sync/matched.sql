-- Notes up to which state of people and links the connection is matched, before it is: a change that comes between is
-- then found by the next sync. The row lock makes an apply of the same connection wait.
UPDATE external_system_connections AS connection SET matched_version = tenant.matching_version
FROM tenants AS tenant
WHERE
    tenant.tenant_id = connection.tenant_id
    AND connection.tenant_id = %(tenant_id)s AND connection.system_type = %(system_type)s
